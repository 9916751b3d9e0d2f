import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Aim } from "./aim.ts";
import type { FaultPlace } from "./fault.ts";
import { type FaultyMachineOptions, withFaultyMachine } from "./faulty-machine.ts";
import { PointFolder } from "./point-folder.ts";
import { type Attempt, type AttemptReport, runAttempts } from "./run-attempts.ts";
import { type Stage, stages } from "./stages.ts";
import { BACK_MS, carries, type FaultResult, underProbes } from "./under-probes.ts";

/** A place where the daemon waits, and what leads it there. */
export interface Point {
  readonly at: string;
  readonly stage: Stage;
  /** How often it is passed there, at least. */
  readonly passings: number;
}

export interface PointsReport extends AttemptReport {
  readonly points: readonly Point[];
  /** Those at which the daemon was ended at least once. */
  readonly hit: ReadonlySet<string>;
}

export interface PointsOptions {
  readonly count: number;
  readonly withinSeconds: number;
  readonly onPoints?: (points: readonly Point[]) => void;
  readonly onResult?: (result: FaultResult) => void;
}

/** How long a stage may take to come to its point, and what it does by itself every few seconds among it. */
const HIT_MS = 6_000;
const RECORD_MS = 2_500;

const machine: FaultyMachineOptions = {
  preload: join(import.meta.dirname, "await-points.ts"),
  env: (folder) => ({ LAB_POINTS: pointsFolder(folder) }),
};

function pointsFolder(folder: string): string {
  const path = join(folder, "points");
  mkdirSync(path, { recursive: true });
  return path;
}

/** Finds every `await` that the daemon passes, and ends it at each: as it waits there, and as it goes on. */
export async function runPoints(options: PointsOptions): Promise<PointsReport> {
  const begun = performance.now();
  const points = await withFaultyMachine(machine, findPoints);
  options.onPoints?.(points);
  const hit = new Set<string>();
  const left = options.withinSeconds - (performance.now() - begun) / 1_000;
  const report = await runAttempts(attempts(points, options.count, hit), {
    machine,
    withinSeconds: left,
    ...(options.onResult && { onResult: options.onResult }),
  });
  return { ...report, points, hit };
}

/** Leads the daemon through every stage, and notes what it passes. */
async function findPoints(place: FaultPlace): Promise<Point[]> {
  const folder = new PointFolder(pointsFolder(place.machine.folder));
  const found = new Map<string, Point>();
  for (const stage of stages) {
    await folder.tell(place);
    folder.passed();
    await stage.lead(place).catch(() => {});
    await comeBack(place, stage);
    await delay(RECORD_MS);
    for (const [at, passings] of folder.passed()) {
      if (!found.has(at)) found.set(at, { at, stage, passings });
    }
  }
  return [...found.values()];
}

/** How the daemon is to be ended at a point. */
type Ending = Omit<Aim, "point"> & { readonly point: Point };

/** Each point once, then once more in another way, then at a later passing where there is one; then what is left of these. */
function* attempts(points: readonly Point[], count: number, hit: Set<string>): Generator<Attempt, undefined> {
  const atEach = (moment: Aim["moment"], end: Aim["end"]): Ending[] =>
    points.map((point) => ({ point, moment, passing: 1, end }));
  const again = points.filter(({ passings }) => passings > 1);
  const all = [
    ...atEach("waits", "SIGKILL"),
    ...atEach("goes on", "abort"),
    ...again.map(atLaterPassing),
    ...atEach("waits", "abort"),
    ...atEach("goes on", "SIGKILL"),
    ...again.map(atLaterPassing),
  ];
  for (const { point, ...how } of all.slice(0, count)) {
    const aim: Aim = { ...how, point: point.at };
    const name = `${aim.end} as it ${aim.moment}, passing ${aim.passing} of ${aim.point} (${point.stage.name})`;
    yield {
      name,
      async run(place) {
        const result = await endAt(place, name, point, aim);
        if (result) hit.add(point.at);
        return result;
      },
    };
  }
  return undefined;
}

function atLaterPassing(point: Point): Ending {
  const passing = randomInt(2, point.passings + 1);
  return randomInt(2) === 0
    ? { point, moment: "waits", passing, end: "abort" }
    : { point, moment: "goes on", passing, end: "SIGKILL" };
}

/** Undefined: the daemon did not come to the point. What got out then is a result all the same. */
async function endAt(
  place: FaultPlace,
  name: string,
  { stage }: Point,
  aim: Aim,
): Promise<FaultResult | undefined> {
  const folder = new PointFolder(pointsFolder(place.machine.folder));
  let isHit = false;
  const result = await underProbes(place, name, {
    async fault() {
      folder.aim(aim);
      if (!stage.startsAnew) await folder.tell(place);
      const leading = stage.lead(place).catch(() => {});
      const deadline = performance.now() + HIT_MS;
      while (!folder.isHit && performance.now() < deadline) await delay(5);
      let at = performance.now();
      isHit = folder.isHit;
      folder.aim(null);
      await leading;
      if (!isHit && place.product.daemonPid !== undefined) await folder.tell(place);
      if (await wished(place, stage)) at = performance.now();
      return at;
    },
    ignoreLeaks: stage.opens === true,
  });
  return isHit || result.leaks.length > 0 || result.problem !== null ? result : undefined;
}

/** After a stage without an end. */
async function comeBack(place: FaultPlace, stage: Stage): Promise<void> {
  await wished(place, stage);
  if ((await carries(place, BACK_MS)) === null)
    throw new Error(`After "${stage.name}" the tunnel carries nothing. ${place.product.log}`);
}

/**
 * Where a stage is about the person's wishes, they are told again: that is no hand lent, for an end of the daemon before
 * the answer leaves open which of them it had heard. Returns whether there were any.
 */
async function wished(place: FaultPlace, { restore, opens }: Stage): Promise<boolean> {
  const { product } = place;
  if (!restore && !opens) return false;
  await product.ready();
  // In this order: of a machine at rest, unlocking is opening.
  await product.connect();
  await restore?.(place);
  return true;
}
