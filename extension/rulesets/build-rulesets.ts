import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { builtRuleset, rulesetStamp, rulesetsOf, stampPath } from "./ensure-rulesets.ts";
import { makeRulesets } from "./make-rulesets.ts";

/** Builds the rulesets that the extension carries into `extension/dist/rulesets`. */
const stamp = rulesetStamp();
const rulesets = makeRulesets();
for (const family of ["chrome", "firefox"] as const) {
  for (const id of rulesetsOf(family)) {
    const rules = rulesets[family][id];
    write(builtRuleset(family, id), JSON.stringify(rules));
    console.log(`Built the ruleset ${id} for ${family}: ${rules.length} rules.`);
  }
}
write(stampPath(), stamp);

/** Beside and renamed, so that whoever reads it at the same time finds it whole. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text);
  renameSync(beside, path);
}
