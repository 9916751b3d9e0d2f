import { buildLoad } from "../load/build.ts";
import { type Load, startLoad } from "../load/load.ts";
import { childrenOf } from "../measure/child-processes.ts";
import { type CpuQuota, createCpuQuota } from "../measure/cpu-quota.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE } from "../measure/pinned.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startOursOnPostgres } from "../peers/ours.ts";
import { type Peer, tunnelWay } from "../peers/peer.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

/** What each gateway process may use of a core: two of them, the load and the database share two cores. */
const SHARE = 0.25;
const SECONDS = 3;
const THREADS = 32;

/** How much more two gateway processes carry than one, when each has the same share of a core. */
export const processes: Suite = {
  name: "processes",
  about: `new tunnels through one and two gateway processes, each on ${SHARE * 100} % of a core`,
  async run(context: SuiteContext): Promise<Row[]> {
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const running: Limited[] = [];
    try {
      for (const count of [1, 2]) running.push(await startLimited(count, load.originPort));
      const contestants = running.map(({ peer, count }) => ({
        name: String(count),
        measure: () => tunnelsPerSecond(load, peer),
      }));
      const readings = await inTurn(context.rounds, contestants);
      context.keep("tunnels per second", Object.fromEntries(readings));
      return [
        makeRow({
          suite: "processes",
          case: `CONNECT and one GET, ${THREADS} at once; two processes; each on ${SHARE * 100} % of a core`,
          metric: "tunnels",
          unit: "1/s",
          better: "higher",
          ours: readings.get("2") ?? [],
          peer: { name: "one process", rounds: readings.get("1") ?? [] },
          bar: { of: "ratio", atLeast: 1.7 },
        }),
      ];
    } finally {
      for (const each of running) await each.close();
      await load.close();
    }
  },
};

interface Limited {
  readonly count: number;
  readonly peer: Peer;
  close(): Promise<void>;
}

async function startLimited(count: number, originPort: number): Promise<Limited> {
  const folder = temporaryFolder();
  const peer = await startOursOnPostgres({ core: null, originPort, folder: folder.path, processes: count });
  const quotas: CpuQuota[] = [];
  const close = async () => {
    await peer.close();
    for (const quota of quotas) quota.remove();
    folder[Symbol.dispose]();
  };
  try {
    const pids = count === 1 ? [peer.pid] : childrenOf(peer.pid);
    if (pids.length !== count)
      throw new Error(`${pids.length} gateway processes run where ${count} were asked for.`);
    for (const [index, pid] of pids.entries()) {
      const quota = createCpuQuota(`${count}-${index}`, SHARE);
      quotas.push(quota);
      quota.add(pid);
    }
    return { count, peer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function tunnelsPerSecond(load: Load, peer: Peer): Promise<number> {
  const run = { seconds: SECONDS, threads: THREADS };
  const { count, seconds } = await load.timed("connections", tunnelWay(peer), run);
  return count / seconds;
}
