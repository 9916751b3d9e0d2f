import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { withoutPolicy, withPolicy } from "./all-scenarios.ts";
import { type Result, runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";
import { sum } from "./tally.ts";

/**
 * `npm run e2e:tabs -- --json FILE --only NAME --times N`: tabs with routes of their own in real Chromium, through the
 * real companion, scored by what the sites saw. Ends with 1 when anything left by a wrong way, was broken with the
 * policy, or failed.
 */

const { values } = parseArgs({
  options: { json: { type: "string" }, only: { type: "string" }, times: { type: "string", default: "1" } },
});
const times = z.coerce.number().int().min(1).max(100).parse(values.times);

const policy = await runAll(withPolicy, true);
const noPolicy = await runAll(withoutPolicy, false);
const report = {
  ...sum(policy),
  pastProxy: pastProxy(policy),
  scenarios: policy,
  withoutPolicy: { ...sum(noPolicy), pastProxy: pastProxy(noPolicy), scenarios: noPolicy },
};
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
print("with the policy", report);
print("without the policy", report.withoutPolicy);
const faults = [...policy, ...noPolicy].filter(({ fault }) => fault !== null);
const isRight =
  report.misrouted + report.withoutPolicy.misrouted + report.broken === 0 &&
  pastProxy([...policy, ...noPolicy]) === 0 &&
  faults.length === 0;
process.exit(isRight ? 0 : 1);

async function runAll(scenarios: readonly Scenario[], hasPolicy: boolean): Promise<Result[]> {
  const meant = scenarios.filter(({ name }) => name.includes(values.only ?? ""));
  if (meant.length === 0) return [];
  const stage = await Stage.open({ policy: hasPolicy });
  const results: Result[] = [];
  try {
    for (const scenario of Array.from({ length: times }, () => meant).flat()) {
      const result = await runScenario(stage, scenario);
      results.push(result);
      process.stdout.write(`${lineOf(result)}\n`);
    }
  } finally {
    await stage.close();
  }
  return results;
}

function lineOf({ name, requests, right, misrouted, broken, pastProxy, fault, examples }: Result): string {
  const score = `${right} of ${requests} right, ${misrouted} misrouted, ${broken} broken, ${pastProxy} past the companion`;
  return [`${name}: ${fault ?? score}`, ...examples.map((example) => `    ${example}`)].join("\n");
}

function print(title: string, total: ReturnType<typeof sum> & { readonly pastProxy: number }): void {
  const { requests, right, misrouted, broken, pastProxy: past } = total;
  process.stdout.write(
    `${title}: ${requests} requests, ${right} right, ${misrouted} misrouted, ${broken} broken, ${past} past the companion\n`,
  );
}

function pastProxy(results: readonly Result[]): number {
  return results.reduce((total, result) => total + result.pastProxy, 0);
}
