import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUILT_IN_LISTS, type BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { rulesetNumbers } from "@atlantic/shared/blocking/rulesets/ruleset-numbers.ts";
import { isSharedSuffix } from "@atlantic/shared/blocking/shared-suffix.ts";
import { z } from "zod";
import { writeRuleFile } from "../urls/rule-file.ts";
import { urlRules } from "../urls/url-rules.ts";
import { builtInPath, builtInUrlsPath } from "./built-in-lists.ts";
import { plainNames } from "./plain-names.ts";

/**
 * Builds the lists that come with the program from the rulesets of @adguard/dnr-rulesets, where that is installed. A program
 * of its own: parsing them takes more memory than the companion may ever have.
 */

function build(): void {
  const folder = join(dirname(fileURLToPath(import.meta.resolve("@adguard/dnr-rulesets"))), "../filters");
  const packageText = readFileSync(join(folder, "../../package.json"), "utf8");
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(packageText));
  const all = rulesetsIn(folder);
  for (const id of BUILT_IN_LISTS) writeList(id, rulesetNumbers(id, all), folder, version);
}

function writeList(id: BuiltInList, numbers: readonly number[], folder: string, version: string): void {
  const blocked = new Set<string>();
  const allowed = new Set<string>();
  const rules = new Map<string, DnrRule>();
  for (const number of numbers) {
    const text = readFileSync(join(folder, `declarative/ruleset_${number}/ruleset_${number}.json`), "utf8");
    const ruleset: unknown = JSON.parse(text);
    const names = plainNames(ruleset);
    for (const name of names.blocked) blocked.add(name);
    for (const name of names.allowed) allowed.add(name);
    for (const rule of readRules(ruleset).flatMap((read) => urlRules(read, id)))
      rules.set(JSON.stringify(rule), rule);
  }
  const names = [...blocked].filter((name) => !allowed.has(name) && !isSharedSuffix(name)).sort();
  const head = `! What the rulesets of @adguard/dnr-rulesets ${version} block by name alone. Licence: GPL-3.0-only.`;
  const path = builtInPath(id);
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, `${[head, ...names.map((name) => `||${name}^`)].join("\n")}\n`);
  renameSync(beside, path);
  writeRuleFile(builtInUrlsPath(id), [...rules.values()]);
  console.log(`Built ${path}: ${names.length} names, and ${rules.size} rules about addresses beside it.`);
}

function rulesetsIn(folder: string): number[] {
  const metadata: unknown = JSON.parse(readFileSync(join(folder, "filters_i18n.json"), "utf8"));
  const { filters } = z.object({ filters: z.record(z.string(), z.unknown()) }).parse(metadata);
  return Object.keys(filters).map(Number);
}

build();
