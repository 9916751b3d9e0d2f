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
  /** Only kinds whose names hold this. */
  readonly only: string | undefined;
}

/** `npm run lab -- faults`. Returns the exit code: 1 when a packet got out, or traffic did not come back by itself. */
export async function faultsCommand(options: FaultsCommandOptions): Promise<number> {
  const { json, count, seconds, only } = options;
  const among =
    only === undefined
      ? undefined
      : [...faults, ...(options.package ? packageFaults : [])].filter(({ name }) => name.includes(only));
  const report = await runFaults({
    count,
    withinSeconds: seconds,
    ...(options.package !== undefined && { package: options.package }),
    ...(among && { among }),
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
