import { writeFileSync } from "node:fs";
import { readArguments } from "./arguments.ts";
import { keepResults } from "./results.ts";
import { type Row, rowSchema } from "./row.ts";
import type { Suite, SuiteContext } from "./suite.ts";
import { api } from "./suites/api.ts";
import { attribution } from "./suites/attribution.ts";
import { gateway } from "./suites/gateway.ts";
import { memory } from "./suites/memory.ts";
import { popup } from "./suites/popup.ts";
import { describeRows } from "./table.ts";

const suites: readonly Suite[] = [gateway, attribution, api, popup, memory];

try {
  const {
    help,
    json,
    rounds,
    suites: wanted,
  } = readArguments(
    process.argv.slice(2),
    suites.map(({ name }) => name),
  );
  if (help) process.stdout.write(describeHelp());
  else
    process.exitCode = await measure(
      suites.filter(({ name }) => wanted.includes(name)),
      rounds,
      json,
    );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** @returns the exit code: 1 when anything could not be measured; a bar that does not hold is a result, not a failure */
async function measure(chosen: readonly Suite[], rounds: number, json: string | null): Promise<number> {
  const rows: Row[] = [];
  const failures: string[] = [];
  for (const suite of chosen) {
    process.stdout.write(`\n${suite.name}: ${suite.about}\n`);
    const raw: Record<string, unknown> = {};
    const unmeasured = (what: string, problem: unknown) => {
      const sentence = problem instanceof Error ? problem.message : String(problem);
      failures.push(`${what}: ${sentence}`);
      process.stdout.write(`  not measured: ${what}: ${sentence}\n`);
    };
    const context: SuiteContext = {
      rounds,
      progress: (line) => void process.stdout.write(`  ${line} …\n`),
      keep(name, values) {
        raw[name] = values;
      },
      unmeasured,
    };
    const measured = await suite.run(context).catch((error: unknown) => {
      unmeasured(suite.name, error);
      return [];
    });
    rows.push(...measured.map((row) => rowSchema.parse(row)));
    if (measured.length > 0) process.stdout.write(`  kept in ${keepResults(suite.name, measured, raw)}\n`);
  }
  process.stdout.write(`${describeRows(rows)}\n`);
  if (json !== null) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
  for (const failure of failures) process.stderr.write(`not measured: ${failure}\n`);
  return failures.length === 0 && rows.length > 0 ? 0 : 1;
}

function describeHelp(): string {
  const lines = suites.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`);
  return `npm run bench -- [suite…] [--json FILE] [--rounds N]\n\n${lines.join("\n")}\n`;
}
