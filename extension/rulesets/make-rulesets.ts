import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { mergeNames, nameOf } from "@atlantic/shared/blocking/rulesets/merge-names.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { rulesetNumbers } from "@atlantic/shared/blocking/rulesets/ruleset-numbers.ts";
import { type TakenRule, takenRules } from "@atlantic/shared/blocking/rulesets/taken-rules.ts";
import { isSharedSuffix } from "@atlantic/shared/blocking/shared-suffix.ts";
import { z } from "zod";
import { FIREFOX_RULESETS, RULESETS, type RulesetId } from "../src/engine/rulesets.ts";
import type { Family } from "./ensure-rulesets.ts";
import { rulesForFirefox } from "./rules-for-firefox.ts";

type NumberedRule = DnrRule & { readonly id: number };
type Rulesets = Readonly<Record<RulesetId, readonly NumberedRule[]>>;

/** AdGuard's base filter, which holds EasyList: of the lists for single languages only whole names are taken. */
const ADS_BASE = 2;
/** URLHaus' and PhishTank's addresses of single pages. */
const SINGLE_PAGES: readonly number[] = [208, 255];

/** What every browser grants to an extension: rules that are on, and regular expressions among them. */
const GUARANTEED_RULES = 30_000;
const GUARANTEED_PATTERNS = 1_000;

/**
 * Makes what the extension carries of the rulesets of @adguard/dnr-rulesets.
 * @throws Error when a rule of theirs would speak as strongly as the product's own, or when there are more than fit
 */
export function makeRulesets(): Readonly<Record<Family, Rulesets>> {
  const folder = join(dirname(fileURLToPath(import.meta.resolve("@adguard/dnr-rulesets"))), "../filters");
  const read = (number: number) =>
    readRules(parsed(join(folder, `declarative/ruleset_${number}/ruleset_${number}.json`)));
  const metadata = z.object({ filters: z.record(z.string(), z.unknown()) });
  const all = Object.keys(metadata.parse(parsed(join(folder, "filters_i18n.json"))).filters).map(Number);
  const of = (list: BuiltInList, numbers: readonly number[]) =>
    numbers
      .flatMap(read)
      .flatMap((rule) => takenRules(rule, list))
      .filter(isNobodysElse);

  const languages = rulesetNumbers("ads", all).filter((number) => number !== ADS_BASE);
  const names = of("ads", languages).filter(isWholeName);
  const security = rulesetNumbers("security", all);
  const singlePages = of("security", SINGLE_PAGES);
  const pages = mergeNames(singlePages.filter(({ isHarmfulPage }) => isHarmfulPage));
  const [pageNames, pageAddresses] = parted(pages, (rule) => rule.condition.requestDomains !== undefined);
  const others = of(
    "security",
    security.filter((number) => !SINGLE_PAGES.includes(number)),
  );
  const partNames = singlePages.filter(isWholeName);
  const chrome = fitting({
    ads: finished([...of("ads", [ADS_BASE]), ...names]),
    tracking: finished(of("tracking", rulesetNumbers("tracking", all))),
    security: finished([...pageNames, ...others, ...partNames]),
    "security-pages": finished(pageAddresses),
  });
  return { chrome, firefox: forFirefox(chrome) };
}

function forFirefox(rulesets: Rulesets): Rulesets {
  const kept = new Set(rulesForFirefox(FIREFOX_RULESETS.flatMap((id) => rulesets[id])));
  const lightened = FIREFOX_RULESETS.map(
    (id) => [id, rulesets[id].filter((rule) => kept.has(rule))] as const,
  );
  return { ...rulesets, ...Object.fromEntries(lightened) };
}

function fitting(rulesets: Rulesets): Rulesets {
  const rules = FIREFOX_RULESETS.flatMap((id) => rulesets[id]);
  const patterns = RULESETS.flatMap((id) => rulesets[id]).filter(({ condition }) => condition.regexFilter);
  if (rules.length > GUARANTEED_RULES || patterns.length > GUARANTEED_PATTERNS)
    throw new Error(
      `${rules.length} rules and ${patterns.length} regular expressions are more than browsers grant (${GUARANTEED_RULES} and ${GUARANTEED_PATTERNS}): leave some out in extension/rulesets/make-rulesets.ts.`,
    );
  return rulesets;
}

function parsed(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** A name below which anybody may register is everybody's. */
function isNobodysElse(rule: TakenRule): boolean {
  const name = nameOf(rule);
  return name === undefined || rule.action.type !== "block" || !isSharedSuffix(name);
}

/** Blocks a name for every request of every page. */
function isWholeName(rule: TakenRule): boolean {
  const hasOneCondition = Object.keys(rule.condition).length === 1;
  return rule.action.type === "block" && hasOneCondition && nameOf(rule) !== undefined;
}

function parted<Item>(items: readonly Item[], test: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

function finished(rules: readonly TakenRule[]): NumberedRule[] {
  return mergeNames(rules).map(({ action, priority, condition, isHarmfulPage }, index) => {
    if (priority >= RULE_WEIGHT.listsEnd)
      throw new Error(
        `A rule of @adguard/dnr-rulesets has the priority ${priority}, and ours begin at ${RULE_WEIGHT.listsEnd}: raise them in shared/blocking/rulesets/rule-weight.ts.`,
      );
    return { id: index + 1, priority: isHarmfulPage ? RULE_WEIGHT.harmfulPage : priority, action, condition };
  });
}
