import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { type Point, runPoints } from "./run-points.ts";
import { inWords, lineOf, summarise } from "./summarise.ts";

export interface PointsCommandOptions {
  readonly json: string | undefined;
  readonly count: number;
  readonly seconds: number;
}

/** `npm run lab -- points`. Returns the exit code: 1 when a packet got out, or traffic did not come back by itself. */
export async function pointsCommand({ json, count, seconds }: PointsCommandOptions): Promise<number> {
  const report = await runPoints({
    count,
    withinSeconds: seconds,
    onPoints: (points) => process.stdout.write(`${points.length} places where the daemon waits\n`),
    onResult: (result) => process.stdout.write(lineOf(result)),
  });
  const { results, points, hit, ...rest } = report;
  const summary = summarise(results, ({ fault }) => fault.replace(/, passing.*\(/, " ("));
  const missed = points.filter(({ at }) => !hit.has(at)).map(({ at }) => at);
  process.stdout.write(inWords(summary, report));
  process.stdout.write(
    `${points.length} places, ${missed.length} not come to again:\n${missed.join("\n")}\n`,
  );
  if (json !== undefined) {
    const whole = {
      ...summary,
      ...rest,
      kernel: release(),
      points: points.length,
      missed,
      places: placesByStage(points),
    };
    writeFileSync(json, `${JSON.stringify(whole, null, 2)}\n`);
  }
  return summary.leaked + summary.stuck + report.failures.length === 0 ? 0 : 1;
}

function placesByStage(points: readonly Point[]): Readonly<Record<string, readonly string[]>> {
  const stages = Map.groupBy(points, ({ stage }) => stage.name);
  return Object.fromEntries([...stages].map(([stage, each]) => [stage, each.map(({ at }) => at)]));
}
