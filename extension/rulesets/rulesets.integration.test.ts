import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { BUILT_IN_LISTS, type BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { tokensOfExpression } from "@atlantic/shared/blocking/urls/expressions/read-expression.ts";
import { isUnderstood } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { RuleIndex } from "@atlantic/shared/blocking/urls/rule-index.ts";
import { tokenHash, tokensOfPage, tokensOfUrl } from "@atlantic/shared/blocking/urls/url-tokens.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { listOfRuleset, type RulesetId } from "../src/engine/rulesets.ts";
import {
  builtAddressRules,
  builtRuleset,
  ensureRulesets,
  type Family,
  rulesetsOf,
} from "./ensure-rulesets.ts";

/** The pattern of a rule about one address, and that address. */
const ADDRESS = /^\|\|([a-z0-9.-]+\/[^*^|]*)\^?$/;

beforeAll(ensureRulesets);

const everyRuleset = (["chrome", "firefox"] as const).flatMap((family: Family) =>
  rulesetsOf(family).map((id) => ({ family, id })),
);

function readBuilt(family: Family, ids: readonly RulesetId[]): DnrRule[] {
  return ids.flatMap((id) => readRules(JSON.parse(readFileSync(builtRuleset(family, id), "utf8"))));
}

function openBuilt(list: BuiltInList): RuleIndex | undefined {
  const bytes = readFileSync(builtAddressRules(list));
  return RuleIndex.open((at, length) => new Uint8Array(bytes.subarray(at, at + length)), bytes.length);
}

it("Firefox, which looks at every rule for every request, has few, and most of the names", () => {
  const rules = (family: Family) => readBuilt(family, rulesetsOf("firefox"));
  const names = (family: Family) =>
    rules(family).reduce((sum, { condition }) => sum + (condition.requestDomains?.length ?? 0), 0);
  expect(rules("firefox").length).toBeLessThan(4_000);
  expect(names("firefox")).toBeGreaterThan(0.95 * names("chrome"));
});

it.each(BUILT_IN_LISTS)("what %s says of addresses the extension finds by itself in Firefox", (list) => {
  const index = openBuilt(list);
  const ids = rulesetsOf("chrome").filter((id) => listOfRuleset(id) === list);
  const rules = readBuilt("chrome", ids).filter(({ condition }) => ADDRESS.test(condition.urlFilter ?? ""));
  expect(rules.length).toBeGreaterThan(500);
  const missed = rules.filter((rule) => {
    const [, address] = ADDRESS.exec(rule.condition.urlFilter ?? "") ?? [];
    const found: DnrRule[] = [];
    index?.forEach(tokensOfUrl(`https://${address}/`), (one) => found.push(one));
    return !found.some((one) => isDeepStrictEqual(one, rule));
  });
  expect(missed).toEqual([]);
});

it("every regular expression of a list is understood, and found by its words or its page in Firefox", () => {
  const missed = BUILT_IN_LISTS.map((list) => {
    const index = openBuilt(list);
    const ids = rulesetsOf("chrome").filter((id) => listOfRuleset(id) === list);
    return readBuilt("chrome", ids).filter((rule) => {
      const { regexFilter, isUrlFilterCaseSensitive } = rule.condition;
      if (regexFilter === undefined) return false;
      const found: DnrRule[] = [];
      const words = tokensOfExpression(regexFilter, isUrlFilterCaseSensitive).map(tokenHash);
      const pages = tokensOfPage(rule.condition.initiatorDomains?.[0] ?? null);
      index?.forEach([...words, ...pages], (one) => found.push(one));
      return !isUnderstood(rule) || !found.some((one) => isDeepStrictEqual(one, rule));
    });
  });
  expect(missed).toEqual(BUILT_IN_LISTS.map(() => []));
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
