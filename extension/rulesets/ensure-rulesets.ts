import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BUILT_IN_LISTS, type BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { FIREFOX_RULESETS, RULESETS, type RulesetId } from "../src/engine/rulesets.ts";

/** The browsers that are built for. */
export type Family = "chrome" | "firefox";

const BUILT = join(import.meta.dirname, "../dist/rulesets");

const PROGRAM = join(import.meta.dirname, "build-rulesets.ts");
const BUILD_MS = 300_000;
/** What the result depends on; the lockfile says which version of the lists is installed. */
const SOURCES = [
  "../rulesets",
  "../../shared/blocking/rulesets",
  "../../shared/blocking/urls",
  "../../shared/blocking/urls/expressions",
  "../../shared/blocking/shared-suffix.ts",
  "../src/engine/rulesets.ts",
  "../../package-lock.json",
];

/**
 * Builds the rulesets where that was not done yet. A program of its own: reading the lists takes half a gigabyte.
 * @throws Error when they cannot be built
 */
export async function ensureRulesets(): Promise<void> {
  const stamp = rulesetStamp();
  const isThere = (family: Family) => rulesetsOf(family).every((id) => existsSync(builtRuleset(family, id)));
  if (
    isThere("chrome") &&
    isThere("firefox") &&
    BUILT_IN_LISTS.every((list) => existsSync(builtAddressRules(list))) &&
    existsSync(stampPath()) &&
    readFileSync(stampPath(), "utf8") === stamp
  )
    return;
  await promisify(execFile)(process.execPath, [PROGRAM], { timeout: BUILD_MS });
}

export function rulesetsOf(family: Family): readonly RulesetId[] {
  return family === "firefox" ? FIREFOX_RULESETS : RULESETS;
}

/** Where a ruleset lies that was built. */
export function builtRuleset(family: Family, id: RulesetId): string {
  return join(BUILT, family, `${id}.json`);
}

/** Where the rules about addresses of a list lie that were built for Firefox. */
export function builtAddressRules(list: BuiltInList): string {
  return join(BUILT, "firefox", `${list}.addresses`);
}

export function stampPath(): string {
  return join(BUILT, "sources.hash");
}

/** Changes whenever the rulesets would. */
export function rulesetStamp(): string {
  const hash = createHash("sha256");
  for (const source of SOURCES.map((path) => join(import.meta.dirname, path))) {
    const files = statSync(source).isDirectory() ? filesIn(source) : [source];
    for (const file of files) hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes(".test."))
    .map(({ name }) => join(folder, name))
    .sort();
}
