import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { type Browser, browser } from "wxt/browser";
import { FIRST_FILTER_RULE, filterRules } from "./filter-rules.ts";
import { listOfRuleset, RULESETS, type RulesetId } from "./rulesets.ts";

/** Brings the browser's own filtering to what the companion says is in use: the rulesets, and the person's words. */
export class RequestFilter {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * One after the other, so that the last stays.
   * @returns what the browser has no room for, as a sentence for people; null when all is in place
   */
  set(filter: BrowserFilter): Promise<string | null> {
    const done = this.#last.then(() => apply(filter));
    this.#last = done.catch(() => {});
    return done;
  }
}

async function apply(filter: BrowserFilter): Promise<string | null> {
  await setWords(filter);
  const carried = RULESETS.filter((id) => isCarried(id));
  const wanted = carried.filter((id) => filter.isOn && filter.lists.includes(listOfRuleset(id)));
  const on = await browser.declarativeNetRequest.getEnabledRulesets();
  const tooMany = carried.filter((id) => on.includes(id) && !wanted.includes(id));
  if (tooMany.length > 0)
    await browser.declarativeNetRequest.updateEnabledRulesets({ disableRulesetIds: tooMany });
  const missing: RulesetId[] = [];
  // Each by itself: where there is no room for one there may be for another.
  for (const id of wanted.filter((id) => !on.includes(id))) {
    await browser.declarativeNetRequest
      .updateEnabledRulesets({ enableRulesetIds: [id] })
      .catch(() => missing.push(id));
  }
  if (missing.length === 0) return null;
  return `This browser has no room for the filter rules ${missing.join(", ")}: other extensions that block ads take it. Switch one of them off, or do without these.`;
}

function isCarried(id: RulesetId): boolean {
  const { rule_resources = [] } = browser.runtime.getManifest().declarative_net_request ?? {};
  return rule_resources.some((resource) => resource.id === id);
}

async function setWords(filter: BrowserFilter): Promise<void> {
  const wanted = filter.isOn ? filterRules(filter) : [];
  const rules = await browser.declarativeNetRequest.getDynamicRules();
  const before = rules.filter(({ id }) => id >= FIRST_FILTER_RULE).sort((a, b) => a.id - b.id);
  if (JSON.stringify(before.map(essence)) === JSON.stringify(wanted.map(essence))) return;
  await browser.declarativeNetRequest.updateDynamicRules({
    removeRuleIds: before.map(({ id }) => id),
    addRules: wanted,
  });
}

/** Browsers give rules back with their keys in an order of their own, and Firefox with null for what they do not say. */
function essence({ id, action, condition }: Browser.declarativeNetRequest.Rule): unknown {
  const { requestDomains, initiatorDomains } = condition;
  return [id, action.type, [...(requestDomains ?? [])].sort(), [...(initiatorDomains ?? [])].sort()];
}
