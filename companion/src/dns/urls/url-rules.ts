import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { nameOf } from "@atlantic/shared/blocking/rulesets/merge-names.ts";
import { EVERY_TYPE } from "@atlantic/shared/blocking/rulesets/resource-types.ts";
import { takenRules } from "@atlantic/shared/blocking/rulesets/taken-rules.ts";
import { isUnderstood } from "@atlantic/shared/blocking/urls/rule-applies.ts";

/**
 * What of a rule the local proxy has use for. Whole names are blocked by the lists of names; regular expressions that are
 * not understood are left out.
 */
export function urlRules(rule: DnrRule, list: BuiltInList): DnrRule[] {
  const taken = takenRules(rule, list);
  const page = taken.find(({ isHarmfulPage }) => isHarmfulPage);
  // A request for a page may be one for a frame: only a rule about both can be sure of it.
  const whole = page && { ...page, condition: { ...page.condition, resourceTypes: [...EVERY_TYPE] } };
  return (whole ? [whole] : taken)
    .map(({ action, priority, condition }) => ({ action, priority, condition }))
    .filter((one) => isUnderstood(one) && !isOfNames(one));
}

function isOfNames(rule: DnrRule): boolean {
  if (rule.action.type !== "block" || nameOf(rule) === undefined) return false;
  const { urlFilter: _, resourceTypes, ...others } = rule.condition;
  // Those about pictures in mail are for pages of mail, which nobody loads over plain http.
  const isForMost = resourceTypes === undefined || resourceTypes.length >= EVERY_TYPE.length;
  return Object.keys(others).length === 0 && (isForMost || resourceTypes.join() === "image");
}
