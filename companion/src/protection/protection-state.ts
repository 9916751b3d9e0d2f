import type { Wanted } from "./wanted.ts";

/** Where a state stands between its first effect and its name. */
export type ConnectingStep = "searching" | "verifying" | "raising";

/**
 * The protection's state. `search` numbers the attempts at finding an upstream: what an old attempt still reports is
 * not listened to.
 */
export type ProtectionState = Common &
  (
    | { readonly name: "open" }
    | { readonly name: "locked" }
    | { readonly name: "connecting"; readonly step: ConnectingStep; readonly upstream: string | null }
    | { readonly name: "connected"; readonly upstream: string }
    | { readonly name: "failover"; readonly lost: string }
    | { readonly name: "disconnecting" }
    | { readonly name: "error" }
  );

interface Common {
  readonly wanted: Wanted;
  readonly search: number;
  /** Errors since it was connected. */
  readonly failures: number;
  /** What is wrong, for people. */
  readonly problem: string | null;
  /** The rules could not be put up: nothing may be relied on. */
  readonly blockingFailed: boolean;
}

/** What happens to the protection. Only `disconnect` and `unlock`, which need the tier `release`, lead towards open. */
export type ProtectionEvent =
  /** `unreadable`: there is a wish on disk, and it cannot be read. */
  | { readonly kind: "started"; readonly wanted: Wanted | "unreadable" }
  | { readonly kind: "connect" }
  | { readonly kind: "disconnect" }
  | { readonly kind: "lock" }
  | { readonly kind: "unlock" }
  | { readonly kind: "allowLan"; readonly allowed: boolean }
  | { readonly kind: "upstreamFound"; readonly search: number; readonly upstream: string }
  /** The search goes on. */
  | { readonly kind: "noUpstreamYet"; readonly search: number; readonly problem: string }
  | { readonly kind: "verified"; readonly search: number }
  | { readonly kind: "notVerified"; readonly search: number; readonly problem: string }
  | { readonly kind: "raised"; readonly search: number }
  | { readonly kind: "switched"; readonly search: number; readonly upstream: string }
  | { readonly kind: "wentDown" }
  | { readonly kind: "upstreamLost"; readonly upstream: string }
  /** The validator found something, or could not look. */
  | { readonly kind: "breach"; readonly problem: string }
  | { readonly kind: "retry"; readonly search: number }
  /** The tunnel's device is gone, and being made again: everything is refused meanwhile. */
  | { readonly kind: "deviceLost"; readonly problem: string }
  /** It has another index now. */
  | { readonly kind: "deviceBack" }
  | { readonly kind: "tunnelLost"; readonly problem: string }
  | { readonly kind: "networkChanged" }
  | { readonly kind: "failed"; readonly effect: Effect["kind"]; readonly problem: string };

/**
 * What the machine does about it, in order; each waits for the one before. One that fails reports `failed`, and those
 * after it are not carried out.
 */
export type Effect =
  /** Onto the disk, before any rule changes; nothing where the disk says so already. */
  | { readonly kind: "keepWanted"; readonly wanted: Wanted }
  /** Rules: nothing but what finds upstreams. */
  | { readonly kind: "block" }
  /** Rules: upstreams, for marked sockets alone. */
  | { readonly kind: "allowUpstreams" }
  /** Rules: upstreams, and the tunnel for everyone. */
  | { readonly kind: "allowTunnel" }
  /** Rules: other upstreams, in one transaction. */
  | { readonly kind: "swapUpstreams" }
  /** Takes the rules away. */
  | { readonly kind: "openRules" }
  /** The device, and the resolver on it. It carries nothing yet. */
  | { readonly kind: "openTunnel" }
  | { readonly kind: "closeTunnel" }
  | { readonly kind: "routesUp" }
  | { readonly kind: "routesDown" }
  /** Flows go through this upstream; those of another end with a reset. */
  | { readonly kind: "carry"; readonly upstream: string }
  /** Flows wait. */
  | { readonly kind: "hold" }
  /** Begins to look for an upstream that answers; ends the search before. */
  | { readonly kind: "search"; readonly search: number }
  | { readonly kind: "stopSearch" }
  /** Begins to look whether the upstream leaves where it should and canaries are refused. */
  | { readonly kind: "verify"; readonly search: number; readonly upstream: string }
  | { readonly kind: "retryLater"; readonly search: number; readonly afterMs: number }
  /** Looks at once whether the upstream in use still answers. */
  | { readonly kind: "probe" }
  /** Ends the process, with the rules up: what starts it again starts into what was wanted. */
  | { readonly kind: "restart" }
  | { readonly kind: "report"; readonly event: ProtectionEvent };

export interface Transition {
  readonly state: ProtectionState;
  readonly effects: readonly Effect[];
}
