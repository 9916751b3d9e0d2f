import type { Endpoint, Policy, SplitRules, TunnelLink } from "./policy.ts";

/** A policy taken apart, the way the chains ask for it. */
export interface RuleParts {
  readonly upstreams: readonly Endpoint[];
  readonly tunnel: TunnelLink | null;
  readonly lan: boolean;
  /** "all-but", where something goes beside the tunnel. */
  readonly beside: SplitRules | null;
  /** "only", where only something goes through the tunnel. */
  readonly only: SplitRules | null;
}

export function partsOf(policy: Policy): RuleParts {
  const split = policy.kind === "connected" ? policy.split : null;
  return {
    upstreams: policy.kind === "blocked" ? policy.bootstrap : policy.upstreams,
    tunnel: policy.kind === "connected" ? policy.tunnel : null,
    lan: policy.allowLan,
    beside: split?.mode === "all-but" ? split : null,
    only: split?.mode === "only" ? split : null,
  };
}
