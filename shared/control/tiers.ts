/**
 * What a control client may do, each tier including those before it:
 * read the status, choose exits, change policy, and open the kill switch or export credentials.
 * A browser never gets `release`: that asks the operating system.
 */
const tiers = ["none", "status", "choose", "policy", "release"] as const;
export type Tier = (typeof tiers)[number];

/** Whether a client of tier `held` may do what needs tier `needed`. */
export function allows(held: Tier, needed: Tier): boolean {
  return tiers.indexOf(held) >= tiers.indexOf(needed);
}
