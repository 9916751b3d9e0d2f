import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { EVERY_TYPE } from "@atlantic/shared/blocking/rulesets/resource-types.ts";

/** A rule as filter lists write it, for people. */
export function ruleText({ action, condition }: DnrRule): string {
  const {
    urlFilter,
    regexFilter,
    requestDomains,
    initiatorDomains,
    excludedInitiatorDomains,
    resourceTypes,
  } = condition;
  const types = resourceTypes?.length === EVERY_TYPE.length ? [] : (resourceTypes ?? []);
  const domains = [
    ...(initiatorDomains ?? []),
    ...(excludedInitiatorDomains ?? []).map((domain) => `~${domain}`),
  ];
  const modifiers = [
    ...(condition.domainType === "thirdParty" ? ["third-party"] : []),
    ...(condition.domainType === "firstParty" ? ["~third-party"] : []),
    ...(action.type === "allowAllRequests" ? ["document"] : types),
    ...(domains.length > 0 ? [`domain=${shortened(domains)}`] : []),
  ];
  const expression = regexFilter === undefined ? undefined : `/${regexFilter}/`;
  const pattern = urlFilter ?? expression ?? `||${shortened(requestDomains ?? ["*"])}^`;
  const exception = action.type === "block" ? "" : "@@";
  return `${exception}${pattern}${modifiers.length > 0 ? `$${modifiers.join(",")}` : ""}`;
}

const SHOWN = 3;

function shortened(names: readonly string[]): string {
  return names.length <= SHOWN ? names.join("|") : `${names.slice(0, SHOWN).join("|")}|…`;
}
