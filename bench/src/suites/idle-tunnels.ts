import { setTimeout as delay } from "node:timers/promises";
import { buildLoad } from "../load/build.ts";
import { type Load, startLoad, type Way } from "../load/load.ts";
import { LOAD_CORE, PROXY_CORE } from "../measure/pinned.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startOursOnPostgres } from "../peers/ours.ts";
import { tunnelWay } from "../peers/peer.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

const WARM_UP = 500;
const TUNNELS = 4_000;
const SETTLE_MS = 3_000;

/** What an idle tunnel costs the gateway's process in memory, by itself. */
export const idleTunnels: Suite = {
  name: "idle",
  about: "memory of the gateway for each idle tunnel",
  async run(context: SuiteContext): Promise<Row[]> {
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const perTunnel: number[] = [];
    try {
      for (let round = 0; round < context.rounds; round++) {
        context.progress(`${TUNNELS} idle tunnels, round ${round + 1}`);
        perTunnel.push(await measureOnce(load));
      }
    } finally {
      await load.close();
    }
    context.keep("KiB for each tunnel", perTunnel);
    return [
      makeRow({
        suite: "idle",
        case: `${TUNNELS} idle CONNECT tunnels; ours on Postgres`,
        metric: "resident memory for each",
        unit: "KiB",
        better: "lower",
        ours: perTunnel,
        bar: { of: "ours", atMost: 12 },
      }),
    ];
  },
};

/** A new gateway every time: memory that was used once and kept would hide what the tunnels need. */
async function measureOnce(load: Load): Promise<number> {
  using folder = temporaryFolder();
  const ours = await startOursOnPostgres({
    core: PROXY_CORE,
    originPort: load.originPort,
    folder: folder.path,
  });
  try {
    const way = tunnelWay(ours);
    await heldMemory(load, way, ours.pid, WARM_UP);
    return (await heldMemory(load, way, ours.pid, TUNNELS)) / TUNNELS / 1024;
  } finally {
    await ours.close();
  }
}

/** How many bytes more the process has while it holds the tunnels than before. */
async function heldMemory(load: Load, way: Way, pid: number, count: number): Promise<number> {
  await delay(SETTLE_MS);
  const before = residentBytes(pid);
  const held = await load.hold(way, count);
  await delay(SETTLE_MS);
  const bytes = residentBytes(pid) - before;
  await held.release();
  return bytes;
}
