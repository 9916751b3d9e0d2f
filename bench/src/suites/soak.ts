import { setTimeout as delay } from "node:timers/promises";
import { buildLoad } from "../load/build.ts";
import { startLoad } from "../load/load.ts";
import { openDescriptors } from "../measure/open-descriptors.ts";
import { LOAD_CORE } from "../measure/pinned.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { median } from "../measure/statistics.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startOursOnPostgres } from "../peers/ours.ts";
import { tunnelWay } from "../peers/peer.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

const SECONDS = Number(process.env.ATLANTIC_SOAK_SECONDS ?? 600);
const TUNNELS = 2_000;
const PER_SECOND = 100;
const SAMPLE_MS = 5_000;
/** How long the gateway may take to be as it was before, once all tunnels are closed. */
const SETTLE_MS = 15_000;

interface Sample {
  readonly seconds: number;
  readonly residentMB: number;
  readonly descriptors: number;
}

/** Many tunnels for a long time: what grows is a leak. */
export const soak: Suite = {
  name: "soak",
  about: `${TUNNELS} tunnels at once, ${PER_SECOND} new ones a second, for ${SECONDS} s`,
  onlyWhenNamed: true,
  async run(context: SuiteContext): Promise<Row[]> {
    using folder = temporaryFolder();
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const ours = await startOursOnPostgres({ core: null, originPort: load.originPort, folder: folder.path });
    try {
      const way = tunnelWay(ours);
      await load.timed("connections", way, { seconds: 2, threads: 8 });
      await delay(2_000);
      const before = openDescriptors(ours.pid);
      context.progress(`${SECONDS} s of ${TUNNELS} tunnels, ${PER_SECOND} new ones a second`);
      const samples: Sample[] = [];
      const started = performance.now();
      const sampler = setInterval(() => samples.push(sampleOf(ours.pid, started)), SAMPLE_MS);
      const run = await load.turnover(way, { seconds: SECONDS, count: TUNNELS, perSecond: PER_SECOND });
      clearInterval(sampler);
      await delay(SETTLE_MS);
      const leaked = openDescriptors(ours.pid) - before;
      context.keep("samples", samples);
      context.keep("turnover", run);
      const [early, late] = earlyAndLate(samples);
      const one = { suite: "soak", case: soak.about, better: "lower" } as const;
      return [
        makeRow({ ...one, metric: "new tunnel p50", unit: "ms", ours: [run.p50Micros / 1e3] }),
        makeRow({ ...one, metric: "new tunnel p99", unit: "ms", ours: [run.p99Micros / 1e3] }),
        makeRow({
          ...one,
          metric: "resident memory, last fifth over the second",
          unit: "MB",
          ours: [late],
          peer: { name: "second fifth", rounds: [early] },
          bar: { of: "ratio", atMost: 1.1 },
        }),
        makeRow({
          ...one,
          metric: "descriptors left open",
          unit: "",
          ours: [leaked],
          bar: { of: "ours", atMost: 5 },
        }),
      ];
    } finally {
      await ours.close();
      await load.close();
    }
  },
};

function sampleOf(pid: number, started: number): Sample {
  return {
    seconds: Math.round((performance.now() - started) / 1e3),
    residentMB: residentBytes(pid) / 1e6,
    descriptors: openDescriptors(pid),
  };
}

/** Medians of resident megabytes in the second and in the last fifth: by the second all tunnels are there. */
function earlyAndLate(samples: readonly Sample[]): [early: number, late: number] {
  const fifth = Math.floor(samples.length / 5);
  const part = (from: number) =>
    median(samples.slice(from, from + fifth).map(({ residentMB }) => residentMB));
  return [part(fifth), part(samples.length - fifth)];
}
