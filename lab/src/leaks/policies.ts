import type { Policy, TunnelLink } from "@atlantic/companion/src/firewall/policy.ts";
import type { Chosen } from "./chosen.ts";
import { connected, connecting, locked, split } from "./phases.ts";

/** A policy that observations and mutations are made under. */
export interface NamedPolicy {
  readonly name: string;
  policy(tunnel: TunnelLink, chosen: Chosen): Policy;
}

/** Every kind of policy, with and without the local network; those with the most rules first. */
export const namedPolicies: readonly NamedPolicy[] = [
  { name: "all but some", policy: (tunnel, chosen) => split(tunnel, "all-but", chosen) },
  { name: "connected, local network allowed", policy: (tunnel) => connected(tunnel, true) },
  { name: "connected", policy: (tunnel) => connected(tunnel) },
  { name: "only some", policy: (tunnel, chosen) => split(tunnel, "only", chosen) },
  { name: "locked", policy: () => locked },
  { name: "locked, local network allowed", policy: () => ({ ...locked, allowLan: true }) },
  { name: "connecting", policy: () => connecting },
];
