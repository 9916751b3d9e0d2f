import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { faults } from "./faults.ts";
import { packageFaults } from "./package-faults.ts";
import { runFaults } from "./run-faults.ts";
import { inWords, lineOf, summarise } from "./summarise.ts";

export interface FaultsCommandOptions {
  readonly json: string | undefined;
  readonly count: number;
  readonly package: string | undefined;
  readonly seconds: number;
  /** Only faults with this in their names. */
  readonly only: string | undefined;
}

/** `npm run lab -- faults`. Returns the exit code: 1 when a packet got out, or traffic did not come back by itself. */
export async function faultsCommand(options: FaultsCommandOptions): Promise<number> {
  const { json, count, seconds, only = "" } = options;
  const all = [...faults, ...(options.package === undefined ? [] : packageFaults)];
  const among = all.filter(({ name }) => name.includes(only));
  if (among.length === 0)
    throw new Error(
      `No fault has "${only}" in its name. There are: ${all.map(({ name }) => name).join("; ")}.`,
    );
  const report = await runFaults({
    count,
    among,
    withinSeconds: seconds,
    ...(options.package !== undefined && { package: options.package }),
    onResult: (result) => process.stdout.write(lineOf(result)),
  });
  const summary = summarise(report.results);
  process.stdout.write(inWords(summary, report));
  if (json !== undefined) {
    const { results: _, ...rest } = report;
    writeFileSync(json, `${JSON.stringify({ ...summary, ...rest, kernel: release() }, null, 2)}\n`);
  }
  return summary.leaked + summary.stuck + report.failures.length === 0 ? 0 : 1;
}
