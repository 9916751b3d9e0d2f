import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { describePhase, holds, ruleKinds, runMatrix } from "./run-matrix.ts";

/** `npm run lab -- leaks`: the whole matrix. Returns the exit code: 1 when anything leaked or was not shown. */
export async function leaksCommand(json: string | undefined, wanted = "owned"): Promise<number> {
  const rules = ruleKinds.find((kind) => kind === wanted);
  if (!rules) throw new Error(`There are no rules "${wanted}". There are: ${ruleKinds.join(", ")}.`);
  const report = await runMatrix({ rules, onPhase: (result) => process.stdout.write(describePhase(result)) });
  const { cases, control, leaked, broken, seconds } = report;
  process.stdout.write(
    `${cases} cases, ${control} seen by the control without rules, ${leaked} leaked, ${broken} that must pass did not; ` +
      `${seconds.toFixed(0)} s.\n`,
  );
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...report, kernel: release() }, null, 2)}\n`);
  return holds(report) ? 0 : 1;
}
