import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";

/**
 * What Firefox is given of rules that Chrome has whole. It looks at every rule for every request, in JavaScript, so a rule
 * about one address costs as much as one about eighty thousand names: it gets the rules about names, and the exceptions
 * for addresses at these names.
 */
export function rulesForFirefox<Rule extends DnrRule>(rules: readonly Rule[]): Rule[] {
  const names = new Set(
    rules
      .filter((rule) => rule.action.type === "block" && isOfNames(rule))
      .flatMap(({ condition }) => condition.requestDomains ?? []),
  );
  return rules.filter((rule) => isOfNames(rule) || (rule.action.type !== "block" && isAt(names, rule)));
}

/** Whether a rule is about names alone, perhaps with conditions. */
export function isOfNames({ condition }: DnrRule): boolean {
  return (
    condition.requestDomains !== undefined &&
    condition.urlFilter === undefined &&
    condition.regexFilter === undefined
  );
}

function isAt(names: ReadonlySet<string>, { condition }: DnrRule): boolean {
  const host = /^\|\|([a-z0-9.-]+)/.exec(condition.urlFilter ?? "")?.[1] ?? "";
  const labels = host.split(".");
  return labels.some((_, index) => names.has(labels.slice(index).join(".")));
}
