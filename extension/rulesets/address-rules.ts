import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { isUnderstood } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { listOfRuleset, RULESETS, type RulesetId } from "../src/engine/rulesets.ts";
import { isOfNames } from "./rules-for-firefox.ts";

/**
 * What the extension matches by itself in Firefox: all that blocks addresses, and every exception. Names are blocked by
 * the browser's own filter. Regular expressions that are not understood are left out.
 * @param rulesets as Chrome has them
 */
export function addressRules(
  rulesets: Readonly<Record<RulesetId, readonly DnrRule[]>>,
  list: BuiltInList,
): DnrRule[] {
  return RULESETS.filter((id) => listOfRuleset(id) === list)
    .flatMap((id) => rulesets[id])
    .filter((rule) => isUnderstood(rule) && !(rule.action.type === "block" && isOfNames(rule)));
}
