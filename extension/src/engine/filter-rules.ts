import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import type { Browser } from "wxt/browser";

type Rule = Browser.declarativeNetRequest.Rule;
type NewRule = Omit<Rule, "id">;

/** Numbers below are the gate's. */
export const FIRST_FILTER_RULE = 101;

/**
 * What the person said of sites and names, as rules above those of every list. None is about a page itself: to let a page
 * past the lists must never let it past the gate.
 */
export function filterRules({ unfiltered, allowed, blocked }: BrowserFilter): Rule[] {
  const { personAllow, personBlock } = RULE_WEIGHT;
  const free = [...new Set([...unfiltered, ...allowed])];
  return numbered([
    // Everything that pages of these sites ask for, frames and their parts among it; workers have no page.
    ...rule(personAllow, "allowAllRequests", unfiltered, (requestDomains) => ({
      requestDomains,
      resourceTypes: ["main_frame"] as Browser.declarativeNetRequest.ResourceType[],
    })),
    ...rule(personAllow, "allow", unfiltered, (initiatorDomains) => ({ initiatorDomains })),
    ...rule(personAllow, "allow", free, (requestDomains) => ({ requestDomains })),
    ...rule(personBlock, "block", blocked, (requestDomains) => ({ requestDomains })),
  ]);
}

function rule(
  priority: number,
  type: "allow" | "allowAllRequests" | "block",
  names: readonly string[],
  condition: (names: string[]) => Rule["condition"],
): NewRule[] {
  if (names.length === 0) return [];
  return [{ priority, action: { type }, condition: condition([...names].sort()) }];
}

function numbered(rules: readonly NewRule[]): Rule[] {
  return rules.map((rule, index) => ({ ...rule, id: FIRST_FILTER_RULE + index }));
}
