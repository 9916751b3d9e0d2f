/**
 * How strongly each rule in a browser speaks; the browser follows the strongest. What the product itself promises stands
 * above everything that a list may say, but for pages that are harmful: to block one lets nothing past anything.
 */
export const RULE_WEIGHT = {
  /** No rule of a list may reach this. */
  listsEnd: 2_000_000,
  /** What the person blocks by name, and what they let through: a name, or all that a site asks for. */
  personBlock: 2_000_000,
  personAllow: 2_000_001,
  /** Everything that the gate and the attribution of requests need. */
  ours: 3_000_000,
  harmfulPage: 4_000_000,
} as const;
