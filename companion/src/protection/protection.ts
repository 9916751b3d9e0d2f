import type { Breach, NameDecision, NameList, ProtectionView } from "@atlantic/shared/control/protection.ts";

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
  readonly names: ProtectedNames;
}

/** The names that the resolver answers and refuses. */
export interface ProtectedNames {
  why(name: string): NameDecision;
  lists(): readonly NameList[];
  setFiltered(site: string, filtered: boolean): Promise<void>;
  /** Sites that are not filtered. */
  unfiltered(): readonly string[];
}
