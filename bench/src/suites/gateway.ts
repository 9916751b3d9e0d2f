import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildLoad } from "../load/build.ts";
import { type Load, startLoad, type Way } from "../load/load.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE, PROXY_CORE, pinningProblem } from "../measure/pinned.ts";
import { cpuSecondsOf } from "../measure/process-cpu.ts";
import { median } from "../measure/statistics.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { startDante } from "../peers/dante.ts";
import { startHaproxy, startSplicingHaproxy } from "../peers/haproxy.ts";
import { startNodePipe } from "../peers/node-pipe.ts";
import { startOursOnPglite, startOursOnPostgres } from "../peers/ours.ts";
import type { Peer, PeerOptions } from "../peers/peer.ts";
import { startProxyChain } from "../peers/proxy-chain.ts";
import { startSquid } from "../peers/squid.ts";
import { makeRow, type Row } from "../row.ts";
import { attempt, type Suite, type SuiteContext } from "../suite.ts";
import { type GatewayCase, gatewayCases } from "./gateway-cases.ts";
import { type Field, pairs } from "./gateway-field.ts";
import { latencyCase, measureAddedLatency, measurePacedLatency, PACED } from "./gateway-latency.ts";

export const gateway: Suite = {
  name: "gateway",
  about: "our gateway against proxy-chain, squid, haproxy and dante: rates, latency, bytes, CPU",
  async run(context) {
    const problem = pinningProblem();
    if (problem !== undefined) throw new Error(problem);
    using folder = temporaryFolder();
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const running: Peer[] = [];
    const start = async (starters: Starters) => {
      const started: Peer[] = [];
      for (const [name, starter] of Object.entries(starters)) {
        try {
          started.push(await startPeer(name, starter, folder.path, load.originPort));
        } catch (error) {
          context.unmeasured(`with ${name}`, error);
        }
      }
      running.push(...started);
      return started;
    };
    try {
      const field: Field = { load, ours: await start(ourselves), rivals: await start(rivals) };
      const rows: Row[] = [];
      // First: what the others leave to be written and swept up would be measured with it.
      if (context.wants(PACED))
        rows.push(...(await attempt(context, PACED, () => measurePacedLatency(context, field))));
      for (const one of gatewayCases.filter(({ name }) => context.wants(name)))
        rows.push(...(await attempt(context, one.name, () => measureCase(context, one, field))));
      for (const way of (["forward", "tunnel"] as const).filter((each) => context.wants(latencyCase[each]))) {
        rows.push(
          ...(await attempt(context, `added latency, ${way}`, () =>
            measureAddedLatency(context, way, field),
          )),
        );
      }
      return rows;
    } finally {
      for (const peer of running) await peer.close();
      await load.close();
    }
  },
};

type Starters = Readonly<Record<string, (options: PeerOptions) => Promise<Peer>>>;

const ourselves: Starters = { "ours on PGlite": startOursOnPglite, "ours on Postgres": startOursOnPostgres };

const rivals: Starters = {
  "proxy-chain": startProxyChain,
  squid: startSquid,
  haproxy: startHaproxy,
  "haproxy, splicing": startSplicingHaproxy,
  dante: startDante,
  "node pipe": startNodePipe,
};

function startPeer(
  name: string,
  start: (options: PeerOptions) => Promise<Peer>,
  folder: string,
  originPort: number,
): Promise<Peer> {
  const own = join(folder, name);
  mkdirSync(own);
  return start({ core: PROXY_CORE, originPort, folder: own });
}

async function measureCase(context: SuiteContext, one: GatewayCase, field: Field): Promise<Row[]> {
  context.progress(one.name);
  const { load, ours, rivals } = field;
  const contestants = [...ours, ...rivals].flatMap((peer) => {
    const way = peer.ways[one.way]?.way;
    return way === undefined
      ? []
      : [{ name: peer.name, measure: () => measureWithCpu(one, load, peer, way) }];
  });
  const direct = { name: "direct", measure: async () => (await one.run(load, { kind: "direct" })).values };
  const readings = await inTurn(context.rounds, [direct, ...contestants]);
  context.keep(one.name, Object.fromEntries(readings));
  checkDirect(one, readings);
  const rounds = ({ name }: Peer, metric: string) =>
    (readings.get(name) ?? []).map((values) => values[metric] ?? Number.NaN);
  return pairs(field, one.way).flatMap(([our, rival, note]) =>
    one.metrics.map(({ name: metric, unit, better, bars }) => {
      const bar = bars?.[rival.name];
      return makeRow({
        suite: "gateway",
        case: `${one.name}; ${our.name}; ${rival.name} with ${note}`,
        metric,
        unit,
        better,
        ours: rounds(our, metric),
        peer: { name: rival.name, rounds: rounds(rival, metric) },
        ...(bar && { bar }),
      });
    }),
  );
}

/** Less CPU than this over a whole run means that the traffic went another way. */
const IDLE_CPU_SECONDS = 0.02;

async function measureWithCpu(
  one: GatewayCase,
  load: Load,
  { name, pid }: Peer,
  way: Way,
): Promise<Record<string, number>> {
  const before = cpuSecondsOf(pid);
  const { values, work } = await one.run(load, way);
  const cpuSeconds = cpuSecondsOf(pid) - before;
  if (cpuSeconds < IDLE_CPU_SECONDS) {
    throw new Error(`${name} used ${cpuSeconds} s of CPU in "${one.name}": it relayed nothing.`);
  }
  return { ...values, CPU: cpuSeconds / work };
}

/** The load must not be what limits proxy-chain; whoever is faster than it, ours too, may be at the load's limit. */
function checkDirect(
  one: GatewayCase,
  readings: ReadonlyMap<string, readonly Record<string, number>[]>,
): void {
  const [leading] = one.metrics;
  if (one.directAtLeast === undefined || leading === undefined || !readings.has("proxy-chain")) return;
  const rate = (name: string) =>
    median((readings.get(name) ?? []).map((values) => values[leading.name] ?? Number.NaN));
  const times = rate("direct") / rate("proxy-chain");
  if (times < one.directAtLeast) {
    throw new Error(
      `The direct path is only ${times.toFixed(2)} times as fast as through the proxy: the load is the limit.`,
    );
  }
}
