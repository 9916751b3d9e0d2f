import type { DesktopKind } from "@atlantic/shared/control/system-proxy.ts";

/** Values by name, in the desktop's own spelling; null: not set. They are written in the map's order. */
export type DesktopValues = ReadonlyMap<string, string | null>;

/** Where programs are to be sent. */
export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
}

/** Where one desktop keeps its proxy settings. */
export interface DesktopStore {
  readonly kind: DesktopKind;
  /** For people: "GNOME". */
  readonly name: string;
  /** @throws ClearError when they cannot be read, or may not be changed */
  read(): Promise<DesktopValues>;
  /** What must stand there so that programs go to `at`, and nowhere past it. Values that have a say and no others. */
  wanted(at: ProxyAddress, now: DesktopValues): DesktopValues;
  /** @throws ClearError */
  write(values: DesktopValues): Promise<void>;
}

/** What never goes through a proxy: this machine itself. */
export const OWN_NAMES = ["localhost", "127.0.0.0/8", "::1"] as const;
