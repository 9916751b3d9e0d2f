import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { type BenchArguments, readArguments } from "./arguments.ts";
import { runInOwnNetwork } from "./own-network.ts";
import { keepResults } from "./results.ts";
import { type Row, rowSchema } from "./row.ts";
import type { Suite, SuiteContext } from "./suite.ts";
import { api } from "./suites/api.ts";
import { attribution } from "./suites/attribution.ts";
import { dns } from "./suites/dns.ts";
import { firewall } from "./suites/firewall.ts";
import { gateway } from "./suites/gateway.ts";
import { idleTunnels } from "./suites/idle-tunnels.ts";
import { memory } from "./suites/memory.ts";
import { popup } from "./suites/popup.ts";
import { processes } from "./suites/processes.ts";
import { protection } from "./suites/protection.ts";
import { soak } from "./suites/soak.ts";
import { tunnel } from "./suites/tunnel.ts";
import { usage } from "./suites/usage.ts";
import { describeRows } from "./table.ts";

const suites: readonly Suite[] = [
  gateway,
  idleTunnels,
  processes,
  soak,
  usage,
  attribution,
  api,
  popup,
  memory,
  tunnel,
  dns,
  firewall,
  protection,
];

try {
  const known = suites.map(({ name }) => name);
  const usual = suites.filter(({ onlyWhenNamed }) => !onlyWhenNamed).map(({ name }) => name);
  const wanted = readArguments(process.argv.slice(2), known, usual);
  if (wanted.help) process.stdout.write(describeHelp());
  else process.exitCode = (await runInOwnNetwork(process.argv.slice(2))) ?? (await measure(wanted));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** @returns the exit code: 1 when anything could not be measured; a bar that does not hold is a result, not a failure */
async function measure({ suites: names, rounds, only, json }: BenchArguments): Promise<number> {
  const [busy = 0] = loadavg();
  if (busy > availableParallelism()) {
    const others = `a load average of ${busy.toFixed(1)} on ${availableParallelism()} cores`;
    process.stdout.write(
      `This machine is busy with other things (${others}): what is measured now is not steady.\n`,
    );
  }
  const rows: Row[] = [];
  const failures: string[] = [];
  for (const suite of suites.filter(({ name }) => names.includes(name))) {
    process.stdout.write(`\n${suite.name}: ${suite.about}\n`);
    const raw: Record<string, unknown> = {};
    const unmeasured = (what: string, problem: unknown) => {
      const sentence = problem instanceof Error ? problem.message : String(problem);
      const failure = `${suite.name}, ${what}: ${sentence}`;
      failures.push(failure);
      process.stdout.write(`  not measured: ${failure}\n`);
    };
    const context: SuiteContext = {
      rounds,
      wants: (name) => only === null || name.includes(only),
      progress: (line) => void process.stdout.write(`  ${line} …\n`),
      keep(name, values) {
        raw[name] = values;
      },
      unmeasured,
    };
    const measured = await suite.run(context).catch((error: unknown) => {
      unmeasured("all of it", error);
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
  const lines = suites.map(
    ({ name, about, onlyWhenNamed }) =>
      `  ${name.padEnd(12)} ${about}${onlyWhenNamed ? " (only when named)" : ""}`,
  );
  return `npm run bench -- [suite…] [--json FILE] [--rounds N] [--only TEXT]\n\n${lines.join("\n")}\n`;
}
