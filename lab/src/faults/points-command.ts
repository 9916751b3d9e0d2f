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
  const { points, hit, daemonStarts, machines } = report;
  const summary = summarise(report.results, ({ fault }) =>
    fault.replace(/, passing.*\(/, " (").replace(/passing \d+ /, ""),
  );
  const missed = points.filter(({ at }) => !hit.has(at)).map(({ at }) => at);
  process.stdout.write(inWords(summary, report.seconds));
  process.stdout.write(
    `${points.length} places, ${missed.length} not come to again:\n${missed.join("\n")}\n`,
  );
  if (json !== undefined) {
    const places = Object.fromEntries(
      [...Map.groupBy(points, ({ stage }: Point) => stage.name)].map(([stage, each]) => [
        stage,
        each.map(({ at }) => at),
      ]),
    );
    const { seconds: took } = report;
    const whole = {
      ...summary,
      daemonStarts,
      machines,
      seconds: took,
      kernel: release(),
      missed,
      points: points.length,
      places,
    };
    writeFileSync(json, `${JSON.stringify(whole, null, 2)}\n`);
  }
  return summary.leaked + summary.stuck === 0 ? 0 : 1;
}
