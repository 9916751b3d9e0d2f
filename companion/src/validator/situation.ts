import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { SplitRules, TunnelLink } from "../firewall/policy.ts";
import type { DialTarget } from "../upstream/dialing-agent.ts";

/** An upstream, and what is asked of it. */
export interface Candidate {
  readonly upstream: string;
  /** Opens a connection through the upstream, as the exit that was asked for. */
  readonly dial: DialTarget;
  readonly exit: ExitSelector;
}

/** What must hold now, as the validator is told it. */
export type Situation =
  /** No rules are wanted: nothing is looked at. */
  | { readonly kind: "open" }
  /** Nothing may leave but what looks for upstreams. */
  | { readonly kind: "blocked" }
  | (Candidate & {
      readonly kind: "connected";
      readonly link: TunnelLink;
      readonly split: SplitRules | null;
    });
