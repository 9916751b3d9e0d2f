import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { RULESETS, type RulesetId, rulesetPath } from "../src/engine/rulesets.ts";
import { BUILT, ensureRulesets } from "./ensure-rulesets.ts";

beforeAll(ensureRulesets);

describe.each(RULESETS)("the ruleset %s", (id: RulesetId) => {
  const read = () => {
    const raw: unknown[] = JSON.parse(readFileSync(join(BUILT, rulesetPath(id)), "utf8"));
    return { raw, rules: readRules(raw) };
  };

  it("has rules of the kinds that are used alone", () => {
    const { raw, rules } = read();
    expect(raw.length).toBeGreaterThan(500);
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
