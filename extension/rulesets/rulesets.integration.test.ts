import { readFileSync } from "node:fs";
import { readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { builtRuleset, ensureRulesets, type Family, rulesetsOf } from "./ensure-rulesets.ts";

beforeAll(ensureRulesets);

const everyRuleset = (["chrome", "firefox"] as const).flatMap((family: Family) =>
  rulesetsOf(family).map((id) => ({ family, id })),
);

it("Firefox, which looks at every rule for every request, has few, and most of the names", () => {
  const rules = (family: Family) =>
    rulesetsOf("firefox").flatMap((id) =>
      readRules(JSON.parse(readFileSync(builtRuleset(family, id), "utf8"))),
    );
  const names = (family: Family) =>
    rules(family).reduce((sum, { condition }) => sum + (condition.requestDomains?.length ?? 0), 0);
  expect(rules("firefox").length).toBeLessThan(4_000);
  expect(names("firefox")).toBeGreaterThan(0.95 * names("chrome"));
});

describe.each(everyRuleset)("the ruleset $id for $family", ({ family, id }) => {
  const read = () => {
    const raw: unknown[] = JSON.parse(readFileSync(builtRuleset(family, id), "utf8"));
    return { raw, rules: readRules(raw) };
  };

  it("has rules of the kinds that are used alone", () => {
    const { raw, rules } = read();
    expect(raw.length).toBeGreaterThan(20);
    expect(rules).toHaveLength(raw.length);
  });

  it("speaks more softly than the product's own rules, but where it blocks a harmful page", () => {
    for (const { action, priority, condition } of read().rules) {
      const isAboutPages = condition.resourceTypes?.includes("main_frame") === true;
      if (priority === RULE_WEIGHT.harmfulPage) expect([action.type, isAboutPages]).toEqual(["block", true]);
      else expect(priority).toBeLessThan(RULE_WEIGHT.listsEnd);
      if (isAboutPages && action.type !== "allowAllRequests") expect(priority).toBe(RULE_WEIGHT.harmfulPage);
      // Without kinds of its own a rule is for all but pages; with kinds that it is not for, for pages too.
      expect(condition.excludedResourceTypes).toBeUndefined();
    }
  });
});
