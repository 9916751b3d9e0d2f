import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { runGroups } from "./run-groups.ts";

/** `npm run lab -- groups`: makes a chosen control group again and again. Returns the exit code: 1 when anything leaked. */
export async function groupsCommand(json: string | undefined, rounds: number): Promise<number> {
  const report = await runGroups(rounds);
  const { sent, beside, newcomersMs, newcomersNever, seconds } = report;
  const part = (share: number) =>
    (newcomersMs[Math.floor(share * (newcomersMs.length - 1))] ?? NaN).toFixed(1);
  process.stdout.write(
    `A chosen control group was made again ${rounds} times, and sent ${sent} packets at once: ${beside} went beside the tunnel.\n` +
      `New groups beside it went as ever after ${part(0.5)} ms (median), ${part(0.95)} ms (95 %), ${part(1)} ms (slowest); ` +
      `${newcomersNever} did not; ${seconds.toFixed(0)} s.\n`,
  );
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...report, kernel: release() }, null, 2)}\n`);
  return beside + newcomersNever === 0 ? 0 : 1;
}
