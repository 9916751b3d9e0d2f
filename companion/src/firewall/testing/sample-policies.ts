import type { Endpoint, Policy, SplitRules, TunnelLink } from "../policy.ts";

export const tunnel: TunnelLink = {
  name: "atlantic-tun0",
  index: 9,
  address4: "198.18.0.1",
  address6: "fd61:746c::1",
  dns4: "198.18.0.2",
  dns6: "fd61:746c::2",
  redirectPort: 18080,
};

/** One policy of each kind, with and without the local network. @param chosen what a split tunnel names */
export function policiesOf(upstreams: readonly Endpoint[], chosen: Omit<SplitRules, "mode">) {
  const connected = { kind: "connected", upstreams, tunnel, allowLan: false, split: null } as const;
  return {
    boot: { kind: "blocked", bootstrap: [], allowLan: false },
    blocked: { kind: "blocked", bootstrap: upstreams, allowLan: false },
    "blocked, local network allowed": { kind: "blocked", bootstrap: upstreams, allowLan: true },
    connecting: { kind: "connecting", upstreams, allowLan: false },
    connected,
    "connected, local network allowed": { ...connected, allowLan: true },
    "all but some": { ...connected, allowLan: true, split: { mode: "all-but", ...chosen } },
    "only some": { ...connected, split: { mode: "only", ...chosen } },
  } as const satisfies Record<string, Policy>;
}

/** As the tests of printers and holders use them. */
export const samplePolicies = policiesOf(
  [
    { address: "203.0.113.7", protocol: "tcp", port: 7777 },
    { address: "2001:db8::7", protocol: "tcp", port: 7777 },
  ],
  { cgroups: [], uids: [1000], destinations: ["192.0.2.0/24", "2001:db8:1::/48"] },
);

export type SampleName = keyof typeof samplePolicies;
export const sampleNames = Object.keys(samplePolicies) as SampleName[];
