import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type CloneStart, freshClone } from "../measure/fresh-clone.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startCompanion } from "../peers/companion.ts";
import { startOurServer } from "../peers/ours.ts";
import { type Bar, makeRow, type Row } from "../row.ts";
import { attempt, type Suite, type SuiteContext } from "../suite.ts";

/** How long a process is left alone before its memory counts as idle. */
const IDLE_MS = 5_000;

export const memory: Suite = {
  name: "memory",
  about: "resident memory of idle parts, and how long npm start takes",
  async run(context) {
    using folder = temporaryFolder();
    return [
      ...(await attempt(context, "resident memory", () => measureMemory(context, folder.path))),
      ...(await attempt(context, "npm start", () => measureStart(context, folder.path))),
    ];
  },
};

/** The server on a data directory that it has made before, and the companion with that server as its gateway. */
async function measureMemory(context: SuiteContext, folder: string): Promise<Row[]> {
  context.progress(`server and companion, idle for ${IDLE_MS / 1000} s, ${context.rounds} starts of each`);
  const data = join(folder, "data");
  await (await startOurServer(null, data)).close();
  const server: number[] = [];
  const companion: number[] = [];
  for (let round = 0; round < context.rounds; round++) {
    const ours = await startOurServer(null, data);
    try {
      const theirs = await startCompanion(data, ours.ready);
      try {
        await delay(IDLE_MS);
        server.push(residentBytes(ours.pid) / 1e6);
        companion.push(residentBytes(theirs.pid) / 1e6);
      } finally {
        await theirs.close();
      }
    } finally {
      await ours.close();
    }
  }
  context.keep("resident MB", { server, companion });
  return [
    alone("server on PGlite after a warm start", "resident memory", "MB", server, { of: "ours", below: 450 }),
    alone("idle companion", "resident memory", "MB", companion, { of: "ours", below: 120 }),
  ];
}

/** `npm start` in a fresh clone with its dependencies installed: nothing built and no data, then again. */
async function measureStart(context: SuiteContext, folder: string): Promise<Row[]> {
  context.progress("npm start in a fresh clone, the first time and again");
  const first: number[] = [];
  const again: number[] = [];
  const firstRounds = Math.min(context.rounds, 2);
  for (let round = 0; round < firstRounds; round++) {
    const place = join(folder, `clone-${round}`);
    mkdirSync(place);
    const clone: CloneStart = await freshClone(place);
    first.push(await clone.secondsToReady());
    if (round < firstRounds - 1) continue;
    for (let start = 0; start < context.rounds; start++) again.push(await clone.secondsToReady());
  }
  context.keep("npm start, seconds", { first, again });
  return [
    alone("npm start, the first time", "time to ready", "s", first, { of: "ours", below: 15 }),
    alone("npm start, after that", "time to ready", "s", again, { of: "ours", below: 5 }),
  ];
}

function alone(name: string, metric: string, unit: string, ours: readonly number[], bar: Bar): Row {
  return makeRow({ suite: "memory", case: name, metric, unit, better: "lower", ours, bar });
}
