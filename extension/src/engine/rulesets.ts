import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";

/**
 * The rulesets that the extension carries, in the order in which a browser that has no room for all of them should take
 * them: the first three stay within what every browser guarantees to an extension.
 */
export const RULESETS = ["ads", "tracking", "security", "security-pages"] as const satisfies readonly (
  | BuiltInList
  | `${BuiltInList}-pages`
)[];
export type RulesetId = (typeof RULESETS)[number];

/** Firefox has room for no more than it guarantees. */
export const FIREFOX_RULESETS: readonly RulesetId[] = ["ads", "tracking", "security"];

/** Where a ruleset lies in the extension. */
export function rulesetPath(id: RulesetId): string {
  return `rulesets/${id}.json`;
}

/** Where the rules about addresses of a list lie in the extension for Firefox, as `RuleIndex` reads them. */
export function addressRulesPath(list: BuiltInList): string {
  return `rulesets/${list}.addresses`;
}

/** The list that a ruleset is a part of. */
export function listOfRuleset(id: RulesetId): BuiltInList {
  return id === "security-pages" ? "security" : id;
}
