import { z } from "zod";

/** Moments are milliseconds since 1970, UTC. */
const moment = z.int().nonnegative();

/**
 * Where the protection of the whole machine stands.
 * `open`: no rules, the machine talks as it always did. `connecting`: rules are up, nothing but the upstream may be
 * reached. `connected`: traffic goes through the upstream. `failover`: connected, and between two upstreams; traffic is
 * held. `disconnecting`: on the way down, rules still up. `error`: everything is blocked, `problem` says why.
 * `locked`: everything is blocked because the person asked for it (lockdown) and is not connected.
 */
export const protectionStates = [
  "open",
  "connecting",
  "connected",
  "failover",
  "disconnecting",
  "error",
  "locked",
] as const;

/** One thing that the validator looked at. */
const findingSchema = z.object({
  /** As in `canary-udp4-53`, `rules`, `exit-address`, `dns-canary`: stable, for keys. */
  check: z.string(),
  good: z.boolean(),
  /** What was seen, for people. */
  detail: z.string(),
});
export type ProtectionFinding = z.infer<typeof findingSchema>;

/** What the validator concluded the last time it looked; `kept` is false when any finding is bad. */
const verdictSchema = z.object({ at: moment, kept: z.boolean(), findings: z.array(findingSchema) });
export type Verdict = z.infer<typeof verdictSchema>;

/** The protection of the whole machine, as `status` tells it. */
export const protectionViewSchema = z.object({
  state: z.enum(protectionStates),
  /** Since when it is in this state. */
  since: moment,
  /** Blocked instead of open whenever not connected, from boot on. */
  lockdown: z.boolean(),
  /** Devices of the local network may be reached. */
  allowLan: z.boolean(),
  /** Which upstream carries the traffic, by its name; null when none does. */
  upstream: z.string().nullable(),
  /** What is wrong and what to do, for people; null when nothing is. */
  problem: z.string().nullable(),
  /** The rules themselves could not be put up: nothing may be relied on. To be shown in red. */
  blockingFailed: z.boolean(),
  /**
   * `owned`: the kernel lets no other program change the rules. `watched`: an older kernel; changed rules are put
   * back, and the moment between is reported. Null while there are no rules.
   */
  holding: z.enum(["owned", "watched"]).nullable(),
  verdict: verdictSchema.nullable(),
  /** Breaches that the validator or the firewall reported, with evidence kept (`atlantic leaks`). */
  breaches: z.int().nonnegative(),
  /** DNS names that were refused because of a filter list, since the start. */
  blockedNames: z.int().nonnegative(),
});
export type ProtectionView = z.infer<typeof protectionViewSchema>;

/** What was kept of one breach. */
export const breachSchema = z.object({
  at: moment,
  /** `validator`: a check failed. `firewall`: the rules were changed, lost or late on a new link. */
  source: z.enum(["validator", "firewall"]),
  state: z.enum(protectionStates),
  /** What happened and what it means, for people. */
  text: z.string(),
  findings: z.array(findingSchema),
  /** How long traffic could have got out, in milliseconds; null when unknown, 0 when it could not. */
  openMs: z.number().nonnegative().nullable(),
});
export type Breach = z.infer<typeof breachSchema>;
