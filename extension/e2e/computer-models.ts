import type { ProtectionView } from "@atlantic/shared/control/protection.ts";

/** The whole computer behind its tunnel, checked twelve seconds before `now`. */
export function connectedComputer(now: number): ProtectionView {
  return {
    state: "connected",
    since: now - 3_600_000,
    lockdown: false,
    allowLan: false,
    upstream: "Oxylabs, Germany",
    problem: null,
    blockingFailed: false,
    holding: "owned",
    verdict: {
      at: now - 12_000,
      kept: true,
      findings: ["rules", "canary-tcp4", "canary-udp4-53", "canary-tcp6", "exit-address", "dns-canary"].map(
        (check) => ({ check, good: true, detail: "As it should be." }),
      ),
    },
    breaches: 0,
    blockedNames: 1_204,
  };
}

/** The protection of the whole computer in every state, by the name of its picture. */
export function computers(now: number): Readonly<Record<string, ProtectionView>> {
  const connected = connectedComputer(now);
  const without = { ...connected, upstream: null, verdict: null };
  const found = [
    {
      check: "canary-udp4-53",
      good: false,
      detail: "A DNS query to 192.0.2.53 left by eth0, past the tunnel, and was answered.",
    },
    {
      check: "rules",
      good: false,
      detail: "The table atlantic was not there for 310 ms: nft flush ruleset.",
    },
  ];
  return {
    open: { ...without, state: "open", holding: null },
    connecting: { ...without, state: "connecting" },
    connected,
    failover: { ...connected, state: "failover" },
    disconnecting: { ...connected, state: "disconnecting" },
    error: {
      ...without,
      state: "error",
      problem: "All three upstreams have failed: gateway de did not answer, gateway nl refused the login.",
    },
    locked: { ...without, state: "locked", lockdown: true },
    leak: {
      ...connected,
      state: "error",
      problem: "The validator saw traffic beside the tunnel at 14:01:59.",
      verdict: {
        at: now - 12_000,
        kept: false,
        findings: [...found, { check: "exit", good: true, detail: "" }],
      },
      breaches: 1,
    },
    "blocking-failed": {
      ...without,
      state: "error",
      holding: null,
      blockingFailed: true,
      problem: "The kernel refused the rules: operation not permitted (nf_tables).",
    },
    breaches: { ...connected, holding: "watched", breaches: 3 },
    "lockdown-lan": { ...connected, lockdown: true, allowLan: true },
    "long-upstream": {
      ...connected,
      upstream: "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch residential pool 7",
      breaches: 12,
    },
  };
}
