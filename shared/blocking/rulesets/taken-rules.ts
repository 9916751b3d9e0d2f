import type { BuiltInList } from "../built-in-list.ts";
import type { DnrCondition, DnrRule, ResourceType } from "./dnr-rule.ts";
import { PARTS_OF_PAGES } from "./resource-types.ts";

/** Only a pattern that names its host may keep a person from a page. */
const NAMES_HOST = /^\|\|[a-z0-9-]+(\.[a-z0-9-]+)+[/^]/;

/** A rule as it is used here, and whether it keeps a person from a page that is harmful. */
export interface TakenRule extends DnrRule {
  readonly isHarmfulPage: boolean;
}

/**
 * What of a rule of a list is used. Advertising and tracking never keep anybody from a page: the parts of such rules that
 * are about pages themselves are left out, and so are exceptions for them. Domains that are none (`example.*`) match
 * nothing in a browser.
 */
export function takenRules({ action, priority, condition }: DnrRule, list: BuiltInList): TakenRule[] {
  const within = onlyRealDomains(condition);
  if (within === undefined) return [];
  if (action.type === "allowAllRequests")
    return [{ action, priority, condition: within, isHarmfulPage: false }];
  const parts = aboutParts(within);
  const page = list === "security" && action.type === "block" ? aboutPages(within) : undefined;
  return [
    ...(parts === undefined ? [] : [{ action, priority, condition: parts, isHarmfulPage: false }]),
    ...(page === undefined ? [] : [{ action, priority, condition: page, isHarmfulPage: true }]),
  ];
}

function onlyRealDomains(condition: DnrCondition): DnrCondition | undefined {
  const kept = { ...condition };
  for (const key of ["initiatorDomains", "requestDomains"] as const) {
    const domains = kept[key]?.filter(isDomain);
    if (domains === undefined) continue;
    if (domains.length === 0) return undefined;
    kept[key] = domains;
  }
  for (const key of ["excludedInitiatorDomains", "excludedRequestDomains"] as const) {
    const domains = kept[key]?.filter(isDomain);
    if (domains !== undefined && domains.length > 0) kept[key] = domains;
    else delete kept[key];
  }
  if (kept.isUrlFilterCaseSensitive === false) delete kept.isUrlFilterCaseSensitive;
  return kept;
}

function isDomain(text: string): boolean {
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(text) || /^\[[0-9a-f:]+\]$/.test(text);
}

function aboutParts(condition: DnrCondition): DnrCondition | undefined {
  const { resourceTypes, excludedResourceTypes, ...others } = condition;
  if (resourceTypes !== undefined) {
    const types = resourceTypes.filter((type) => type !== "main_frame");
    return types.length === 0 ? undefined : withTypes(others, types);
  }
  if (excludedResourceTypes === undefined) return others;
  return withTypes(
    others,
    PARTS_OF_PAGES.filter((type) => !excludedResourceTypes.includes(type)),
  );
}

/** Whoever leads to a harmful page, the page stays harmful. */
function aboutPages(condition: DnrCondition): DnrCondition | undefined {
  const { resourceTypes, urlFilter = "", ...others } = condition;
  const isMeant = resourceTypes?.includes("main_frame") === true && NAMES_HOST.test(urlFilter);
  if (!isMeant || urlFilter.includes("*") || Object.keys(others).length > 0) return undefined;
  return { urlFilter, resourceTypes: ["main_frame"] };
}

/** All kinds of parts are what a rule without kinds means. */
function withTypes(others: DnrCondition, types: readonly ResourceType[]): DnrCondition {
  if (PARTS_OF_PAGES.every((type) => types.includes(type))) return others;
  return { ...others, resourceTypes: [...types].sort() };
}
