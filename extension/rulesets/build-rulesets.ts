import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { BUILT_IN_LISTS } from "@atlantic/shared/blocking/built-in-list.ts";
import { isUnderstood } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { indexRules } from "@atlantic/shared/blocking/urls/rule-index.ts";
import { addressRules } from "./address-rules.ts";
import { builtAddressRules, builtRuleset, rulesetStamp, rulesetsOf, stampPath } from "./ensure-rulesets.ts";
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
for (const list of BUILT_IN_LISTS) {
  const rules = addressRules(rulesets.chrome, list);
  write(builtAddressRules(list), indexRules(rules));
  console.log(`Built the rules about addresses of ${list} for firefox: ${rules.length} rules.`);
}
const beyond = rulesetsOf("chrome").flatMap((id) =>
  rulesets.chrome[id].filter((rule) => !isUnderstood(rule)),
);
for (const { condition } of beyond)
  console.log(`Left out for firefox, for it is not understood: ${condition.regexFilter}`);
write(stampPath(), stamp);

/** Beside and renamed, so that whoever reads it at the same time finds it whole. */
function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, content);
  renameSync(beside, path);
}
