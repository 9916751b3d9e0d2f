import type { Breach, ProtectionView } from "@atlantic/shared/control/protection.ts";

/** The protection of the whole machine, as the control socket steers it. */
export interface Protection {
  view(): ProtectionView;
  /** Rejects when it could not be reached; the machine is then blocked, not open. */
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  setLockdown(on: boolean): Promise<void>;
  setAllowLan(allowed: boolean): Promise<void>;
  /** Newest first. */
  breaches(): readonly Breach[];
  validate(): Promise<void>;
}
