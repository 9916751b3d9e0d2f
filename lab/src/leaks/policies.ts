import type { Policy, TunnelLink } from "@atlantic/companion/src/firewall/policy.ts";
import { connected, connecting, locked } from "./phases.ts";

/** A policy that observations and mutations are made under. */
export interface NamedPolicy {
  readonly name: string;
  readonly policy: Policy;
}

/** Every kind of policy, with and without the local network. */
export function namedPolicies(tunnel: TunnelLink): NamedPolicy[] {
  return [
    { name: "locked", policy: locked },
    { name: "locked, local network allowed", policy: { ...locked, allowLan: true } },
    { name: "connecting", policy: connecting },
    { name: "connected", policy: connected(tunnel) },
    { name: "connected, local network allowed", policy: connected(tunnel, true) },
  ];
}
