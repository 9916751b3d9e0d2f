import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLoad } from "../load/build.ts";
import { type Load, startLoad, type Way } from "../load/load.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE, PROXY_CORE, pinningProblem } from "../measure/pinned.ts";
import { cpuSecondsOf } from "../measure/process-cpu.ts";
import { median } from "../measure/statistics.ts";
import { startDante } from "../peers/dante.ts";
import { startHaproxy, startSplicingHaproxy } from "../peers/haproxy.ts";
import { startNodePipe } from "../peers/node-pipe.ts";
import { startOursOnPglite, startOursOnPostgres } from "../peers/ours.ts";
import type { Peer, PeerOptions, PeerWay } from "../peers/peer.ts";
import { startProxyChain } from "../peers/proxy-chain.ts";
import { startSquid } from "../peers/squid.ts";
import { type Bar, makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

type Run = (load: Load, way: Way) => Promise<Reading>;

/** What one run gave, by the metric's name. `work` is what its CPU time is divided by. */
interface Reading {
  readonly values: Readonly<Record<string, number>>;
  /** In requests, tunnels or bytes. */
  readonly work: number;
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: Row["better"];
  readonly bars?: Readonly<Record<string, Bar>>;
}

interface Case {
  readonly name: string;
  readonly way: PeerWay;
  readonly metrics: readonly Metric[];
  readonly run: Run;
  /** The direct path must be this many times as fast as the fastest proxy in the leading metric, or it is the limit. */
  readonly directAtLeast?: number;
}

const SECONDS = 2;
const THREADS = 50;
const BULK_BYTES = 1_000_000_000;
const atLeast = (ratio: number): Bar => ({ of: "ratio", atLeast: ratio });
const atMost = (ratio: number): Bar => ({ of: "ratio", atMost: ratio });

const cases: readonly Case[] = [
  {
    name: `forward, ${THREADS} keep-alive connections`,
    way: "forward",
    metrics: [
      {
        name: "requests",
        unit: "1/s",
        better: "higher",
        bars: { "proxy-chain": atLeast(3), squid: atLeast(1) },
      },
      { name: "latency p50", unit: "ms", better: "lower" },
      { name: "latency p99", unit: "ms", better: "lower" },
      {
        name: "CPU",
        unit: "µs/request",
        better: "lower",
        bars: { "proxy-chain": atMost(1 / 3), squid: atMost(1) },
      },
    ],
    run: timed("requests", "requests", THREADS),
    directAtLeast: 3,
  },
  {
    name: `CONNECT and one GET, new connection each, ${THREADS} at once`,
    way: "tunnel",
    metrics: [
      {
        name: "tunnels",
        unit: "1/s",
        better: "higher",
        bars: { "proxy-chain": atLeast(2), squid: atLeast(1.5) },
      },
      { name: "latency p50", unit: "ms", better: "lower" },
      { name: "latency p99", unit: "ms", better: "lower" },
      {
        name: "CPU",
        unit: "µs/tunnel",
        better: "lower",
        bars: { "proxy-chain": atMost(1 / 2), squid: atMost(1 / 1.5) },
      },
    ],
    run: timed("connections", "tunnels", THREADS),
    // A tunnel costs the load less than twice what a direct connection does.
    directAtLeast: 2,
  },
  {
    name: `SOCKS5 and one GET, new connection each, ${THREADS} at once`,
    way: "socks5",
    metrics: [
      { name: "tunnels", unit: "1/s", better: "higher", bars: { dante: atLeast(2) } },
      { name: "latency p50", unit: "ms", better: "lower" },
      { name: "CPU", unit: "µs/tunnel", better: "lower", bars: { dante: atMost(1 / 2) } },
    ],
    run: timed("connections", "tunnels", THREADS),
  },
  bulkCase("CONNECT", "tunnel", "down"),
  bulkCase("CONNECT", "tunnel", "up"),
  bulkCase("SOCKS5", "socks5", "down"),
];

function bulkCase(protocol: string, way: PeerWay, direction: "down" | "up"): Case {
  return {
    name: `one ${protocol} tunnel, bulk ${direction}`,
    way,
    metrics: [
      { name: "throughput", unit: "MB/s", better: "higher" },
      {
        name: "CPU",
        unit: "s/GB",
        better: "lower",
        bars: {
          haproxy: atMost(0.45),
          "haproxy, splicing": atMost(0.45),
          dante: atMost(0.5),
          "node pipe": atMost(0.4),
        },
      },
    ],
    async run(load, path) {
      const { bytes, seconds } = await load.bulk(path, BULK_BYTES, direction);
      return { values: { throughput: bytes / seconds / 1e6 }, work: bytes / 1e9 };
    },
  };
}

function timed(kind: "requests" | "connections", rate: string, threads: number): Run {
  return async (load, way) => {
    const { count, seconds, p50Micros, p99Micros } = await load.timed(kind, way, {
      seconds: SECONDS,
      threads,
    });
    const values = {
      [rate]: count / seconds,
      "latency p50": p50Micros / 1e3,
      "latency p99": p99Micros / 1e3,
    };
    return { values, work: count / 1e6 };
  };
}

export const gateway: Suite = {
  name: "gateway",
  about: "our gateway against proxy-chain, squid, haproxy and dante: rates, latency, bytes, CPU",
  async run(context) {
    const problem = pinningProblem();
    if (problem !== undefined) throw new Error(problem);
    const folder = mkdtempSync(join(tmpdir(), "atlantic-bench-"));
    // Squid gives up root and passes through to its own folder.
    chmodSync(folder, 0o711);
    const load = await startLoad(await buildLoad(), LOAD_CORE);
    const running: Peer[] = [];
    const start = async (starters: Starters) => {
      const started: Peer[] = [];
      for (const [name, starter] of Object.entries(starters)) {
        try {
          started.push(await startPeer(name, starter, folder, load.originPort));
        } catch (error) {
          context.unmeasured(`gateway with ${name}`, error);
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
      for (const one of cases.filter(({ name }) => context.wants(name)))
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
      rmSync(folder, { recursive: true, force: true });
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

/** Who is measured. */
interface Field {
  readonly load: Load;
  readonly ours: readonly Peer[];
  readonly rivals: readonly Peer[];
}

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

async function attempt(context: SuiteContext, what: string, measure: () => Promise<Row[]>): Promise<Row[]> {
  try {
    return await measure();
  } catch (error) {
    context.unmeasured(`gateway, ${what}`, error);
    return [];
  }
}

async function measureCase(context: SuiteContext, one: Case, field: Field): Promise<Row[]> {
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

/** Each of ours beside each rival that has this way, with what to know about the rival. */
function pairs({ ours, rivals }: Field, way: PeerWay): [Peer, Peer, string][] {
  return ours.flatMap((our) =>
    rivals.flatMap((rival): [Peer, Peer, string][] => {
      const note = rival.ways[way]?.note;
      return note === undefined ? [] : [[our, rival, note]];
    }),
  );
}

/** Less CPU than this over a whole run means that the traffic went another way. */
const IDLE_CPU_SECONDS = 0.02;

async function measureWithCpu(
  one: Case,
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

/** The load must not be what limits the peer with a bar; whoever is faster than it, ours too, is at the load's limit. */
function checkDirect(one: Case, readings: ReadonlyMap<string, readonly Record<string, number>[]>): void {
  const [leading] = one.metrics;
  if (one.directAtLeast === undefined || leading === undefined) return;
  const rate = (name: string) =>
    median((readings.get(name) ?? []).map((values) => values[leading.name] ?? Number.NaN));
  const barred = [...readings.keys()].filter((name) => name === "proxy-chain");
  const times = rate("direct") / Math.max(...barred.map(rate));
  if (times < one.directAtLeast) {
    throw new Error(
      `The direct path is only ${times.toFixed(2)} times as fast as through the proxy: the load is the limit.`,
    );
  }
}

const latencyCase = {
  forward: "one keep-alive request after the other",
  tunnel: "one new tunnel with a GET after the other",
};

/** One client, one request after the other: what each proxy adds to the direct path. */
async function measureAddedLatency(
  context: SuiteContext,
  way: "forward" | "tunnel",
  field: Field,
): Promise<Row[]> {
  const what = latencyCase[way];
  const kind = way === "forward" ? "requests" : "connections";
  context.progress(`added latency, ${what}`);
  const { load, ours, rivals } = field;
  const p50 = async (path: Way) => (await load.timed(kind, path, { seconds: 1, threads: 1 })).p50Micros / 1e3;
  const contestants = [...ours, ...rivals].flatMap(({ name, ways }) => {
    const path = ways[way]?.way;
    if (path === undefined) return [];
    return [{ name, measure: async () => (await p50(path)) - (await p50({ kind: "direct" })) }];
  });
  const readings = await inTurn(context.rounds, contestants);
  context.keep(`added latency, ${what}`, Object.fromEntries(readings));
  return pairs(field, way).map(([our, rival, note]) =>
    makeRow({
      suite: "gateway",
      case: `${what}; ${our.name}; ${rival.name} with ${note}`,
      metric: "added latency p50",
      unit: "ms",
      better: "lower",
      ours: readings.get(our.name) ?? [],
      peer: { name: rival.name, rounds: readings.get(rival.name) ?? [] },
    }),
  );
}

const PACED_PER_SECOND = 1_000;
const PACED = `${PACED_PER_SECOND} forwarded requests a second, keep-alive`;

/** At a steady rate: what each proxy adds to the direct path, at the median and at the hundredth slowest. */
async function measurePacedLatency(context: SuiteContext, { load, ours, rivals }: Field): Promise<Row[]> {
  context.progress(`added latency, ${PACED}`);
  // So long that what opening the connections takes is less than one request in a hundred.
  const paced = (path: Way) => load.paced(path, { seconds: 5, threads: 20, perSecond: PACED_PER_SECOND });
  const contestants = [...ours, ...rivals].flatMap(({ name, ways }) => {
    const path = ways.forward?.way;
    if (path === undefined) return [];
    const measure = async () => {
      const [proxied, direct] = [await paced(path), await paced({ kind: "direct" })];
      return {
        p50: (proxied.p50Micros - direct.p50Micros) / 1e3,
        p99: (proxied.p99Micros - direct.p99Micros) / 1e3,
      };
    };
    return [{ name, measure }];
  });
  const readings = await inTurn(context.rounds, contestants);
  context.keep(`added latency, ${PACED}`, Object.fromEntries(readings));
  const rounds = ({ name }: Peer, metric: "p50" | "p99") =>
    (readings.get(name) ?? []).map((reading) => reading[metric]);
  return pairs({ load, ours, rivals }, "forward").flatMap(([our, rival, note]) =>
    (
      [
        ["p50", 0.5],
        ["p99", 3],
      ] as const
    ).map(([metric, most]) =>
      makeRow({
        suite: "gateway",
        case: `${PACED}; ${our.name}; ${rival.name} with ${note}`,
        metric: `added latency ${metric}`,
        unit: "ms",
        better: "lower",
        ours: rounds(our, metric),
        peer: { name: rival.name, rounds: rounds(rival, metric) },
        bar: { of: "ours", atMost: most },
      }),
    ),
  );
}
