import { writeFileSync } from "node:fs";
import { runMutation } from "./run-mutation.ts";

/** `npm run lab -- mutation`: deletes each rule in turn. Returns the exit code: 1 when one is missed by nobody. */
export async function mutationCommand(json: string | undefined, every = 1, only?: string): Promise<number> {
  const report = await runMutation({
    every,
    ...(only !== undefined && { only }),
    onResult: ({ policy, gone, noticed }) =>
      process.stdout.write(
        `${noticed.length > 0 ? "good" : "BAD "}  ${policy}: ${gone}\n      ${noticed[0] ?? ""}\n`,
      ),
  });
  const { mutants, unnoticed, baseline, unsteady, groups, seconds } = report;
  for (const each of baseline) process.stdout.write(`BAD   with all rules: ${each}\n`);
  for (const each of unsteady) process.stdout.write(`with all rules only at times: ${each}\n`);
  if (!groups) process.stdout.write("Control groups were not tried: this system lets nobody make one.\n");
  for (const each of unnoticed) process.stdout.write(`BAD   nobody misses: ${each}\n`);
  process.stdout.write(
    `${mutants} rules deleted one at a time, ${unnoticed.length} of them missed by nobody; ${seconds.toFixed(0)} s.\n`,
  );
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  return unnoticed.length + baseline.length === 0 ? 0 : 1;
}
