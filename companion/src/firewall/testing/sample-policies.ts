import type { Endpoint, Policy, SplitRules, TunnelLink } from "../policy.ts";

/** One policy of each kind, as the tests of printers and holders use them. */
export const upstreams: readonly Endpoint[] = [
  { address: "203.0.113.7", protocol: "tcp", port: 7777 },
  { address: "2001:db8::7", protocol: "tcp", port: 7777 },
];

export const tunnel: TunnelLink = {
  name: "atlantic-tun0",
  index: 9,
  address4: "198.18.0.1",
  address6: "fd61:746c::1",
  dns4: "198.18.0.2",
  dns6: "fd61:746c::2",
  redirectPort: 18080,
};

const split: Omit<SplitRules, "mode"> = {
  cgroups: [],
  uids: [1000],
  destinations: ["192.0.2.0/24", "2001:db8:1::/48"],
};

export const samplePolicies = {
  boot: { kind: "blocked", bootstrap: [], allowLan: false },
  blocked: { kind: "blocked", bootstrap: upstreams, allowLan: false },
  "blocked, local network allowed": { kind: "blocked", bootstrap: upstreams, allowLan: true },
  connecting: { kind: "connecting", upstreams, allowLan: false },
  connected: { kind: "connected", upstreams, tunnel, allowLan: false, split: null },
  "connected, local network allowed": { kind: "connected", upstreams, tunnel, allowLan: true, split: null },
  "all but some": {
    kind: "connected",
    upstreams,
    tunnel,
    allowLan: false,
    split: { mode: "all-but", ...split },
  },
  "only some": { kind: "connected", upstreams, tunnel, allowLan: false, split: { mode: "only", ...split } },
} as const satisfies Record<string, Policy>;

export type SampleName = keyof typeof samplePolicies;
export const sampleNames = Object.keys(samplePolicies) as SampleName[];
