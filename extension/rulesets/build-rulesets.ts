import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { RULESETS, rulesetPath } from "../src/engine/rulesets.ts";
import { BUILT, rulesetStamp, stampPath } from "./ensure-rulesets.ts";
import { makeRulesets } from "./make-rulesets.ts";

/** Builds the rulesets that the extension carries into `extension/dist/rulesets`. */
const stamp = rulesetStamp();
const rulesets = makeRulesets();
for (const id of RULESETS) {
  write(join(BUILT, rulesetPath(id)), JSON.stringify(rulesets[id]));
  console.log(`Built the ruleset ${id}: ${rulesets[id].length} rules.`);
}
write(stampPath(), stamp);

/** Beside and renamed, so that whoever reads it at the same time finds it whole. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text);
  renameSync(beside, path);
}
