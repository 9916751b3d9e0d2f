import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { type FaultResult, runFaults } from "./run-faults.ts";

/** `npm run lab -- faults`: Returns the exit code: 1 when a packet got out, or traffic did not come back by itself. */
export async function faultsCommand(json: string | undefined, count: number): Promise<number> {
  const report = await runFaults({ count, onResult: (result) => process.stdout.write(line(result)) });
  const { results, leaked, stuck, probes, seconds } = report;
  const times = results.flatMap(({ backMs }) => backMs ?? []).sort((one, other) => one - other);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  process.stdout.write(
    `${results.length} faults, ${probes} probes under them, ${leaked} packets outside that must not be, ` +
      `${stuck} times traffic did not come back by itself; it was back after ${at(0.5)} ms (median), ` +
      `${at(0.95)} ms (95 %); ${seconds.toFixed(0)} s.\n`,
  );
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...report, kernel: release() }, null, 2)}\n`);
  return leaked + stuck === 0 ? 0 : 1;
}

function line({ fault, leaks, backMs, state }: FaultResult): string {
  const good = leaks.length === 0 && backMs !== null;
  const back = backMs === null ? `not back: ${state}` : `back after ${backMs.toFixed(0)} ms`;
  return `${good ? "good" : "BAD "}  ${fault}: ${back}\n${leaks.map((leak) => `    leaked: ${leak}\n`).join("")}`;
}
