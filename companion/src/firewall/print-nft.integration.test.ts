import { describe, expect, it } from "vitest";
import { printNft, printNftOpen } from "./print-nft.ts";
import { rulesOf } from "./rules-of.ts";
import { runProgram } from "./testing/run-program.ts";
import { sampleNames, samplePolicies } from "./testing/sample-policies.ts";

/** Runs a script in a network namespace of its own, which ends with it. */
function inNamespace(script: string, input: string): Promise<string> {
  return runProgram(["unshare", "--net", "sh", "-euc", script], input);
}

describe("the rules as text for nft", () => {
  it.each(sampleNames)("load, and load again in place of themselves: %s", async (name) => {
    const text = printNft(rulesOf(samplePolicies[name]), [{ name: "lo", internal: true }]);
    const script =
      'text=$(cat); for i in 1 2; do echo "$text" | nft -f -; nft --stateless list ruleset; echo "#"; done';
    const [once, twice] = (await inNamespace(script, text)).split("#\n");
    expect(once).toContain("table inet atlantic");
    expect(once).toContain("hook egress");
    expect(twice).toBe(once);
  });

  it("are gone after the text that opens, which also does where there are none", async () => {
    const text = `${printNft(rulesOf(samplePolicies.boot), [])}${printNftOpen()}${printNftOpen()}`;
    expect(await inNamespace("nft -f -; nft list ruleset", text)).toBe("");
  });
});
