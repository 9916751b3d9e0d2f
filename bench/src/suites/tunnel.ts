import { loadavg } from "node:os";
import { buildLoad } from "../load/build.ts";
import { inTurn } from "../measure/in-turn.ts";
import { cpuSecondsOf } from "../measure/process-cpu.ts";
import { type Relay, TunnelField } from "../peers/tunnel-field.ts";
import { type Bar, type Measured, makeRow, type Row } from "../row.ts";
import { attempt, type Suite, type SuiteContext } from "../suite.ts";

const BULK_BYTES = 1_000_000_000;
const SECONDS = 2;
const CLIENTS = 16;
const MANY = 100_000;
const DATAGRAM_BYTES = 1_200;
/** As a QUIC stack hands them to the kernel at once. */
const JOINED = 32;

/** Values of one contestant's round, by metric. */
type Reading = Readonly<Record<string, number>>;

const bulkCases = (["up", "down"] as const).map((direction) => ({
  direction,
  streams: direction === "up" ? 1 : 8,
}));

export const tunnel: Suite = {
  name: "tunnel",
  about:
    "the machine's traffic through a SOCKS5 upstream: CPU per GB, connections, datagrams, in three namespaces",
  async run(context) {
    const field = await TunnelField.start(await buildLoad("tunnel-load"));
    try {
      context.keep("load average before", loadavg());
      const relays = [field.ours(), await field.nodePipe(), await field.haproxy(), await field.dante()];
      const rows: Row[] = [];
      for (const { direction, streams } of bulkCases) {
        const name = `bulk ${direction}, ${streams === 1 ? "1 stream" : `${streams} streams`}`;
        if (context.wants(name))
          rows.push(
            ...(await attempt(context, name, () => bulk(context, field, relays, name, direction, streams))),
          );
      }
      const name = `new connections, ${CLIENTS} clients`;
      if (context.wants(name))
        rows.push(...(await attempt(context, name, () => connections(context, field, relays, name))));
      if (context.wants(MANY_CASE))
        rows.push(...(await attempt(context, MANY_CASE, () => manyConnections(context, field))));
      if (context.wants(DATAGRAM_CASE))
        rows.push(...(await attempt(context, DATAGRAM_CASE, () => datagrams(context, field))));
      context.keep("load average after", loadavg());
      return rows;
    } finally {
      await field.close();
    }
  },
};

const MANY_CASE = `${MANY} short connections`;
const DATAGRAM_CASE = `datagrams of ${DATAGRAM_BYTES} bytes through the device, ${JOINED} to a call`;

/** What a relay's process used while this was done; it must have used some. */
async function withCpu<Result>({ name, pid }: Relay, work: () => Promise<Result>): Promise<[Result, number]> {
  const before = pid === null ? 0 : cpuSecondsOf(pid);
  const result = await work();
  const used = pid === null ? 0 : cpuSecondsOf(pid) - before;
  if (pid !== null && used <= 0) throw new Error(`${name} used no CPU: it has relayed nothing.`);
  return [result, used];
}

async function bulk(
  context: SuiteContext,
  field: TunnelField,
  relays: readonly Relay[],
  name: string,
  direction: "up" | "down",
  streams: number,
): Promise<Row[]> {
  context.progress(name);
  const contestants = relays.map((relay) => ({
    name: relay.name,
    measure: async (): Promise<Reading> => {
      const direct = await field.bulk(field.direct(), BULK_BYTES, direction, streams);
      const [run, cpu] = await withCpu(relay, () => field.bulk(relay, BULK_BYTES, direction, streams));
      const after = await field.bulk(field.direct(), BULK_BYTES, direction, streams);
      // Each transfer beside a direct one just before and just after it.
      const rate = ({ bytes, seconds }: { bytes: number; seconds: number }): number => bytes / seconds / 1e6;
      return {
        CPU: cpu / (run.bytes / 1e9),
        throughput: rate(run),
        "ratio to direct": rate(run) / ((rate(direct) + rate(after)) / 2),
      };
    },
  }));
  const readings = await inTurn(context.rounds, contestants, { warmUpRounds: 1 });
  context.keep(name, Object.fromEntries(readings));
  const cpuBars: Record<string, Bar> = {
    "node pipe": { of: "ratio", atMost: 0.33 },
    haproxy: { of: "ratio", atMost: 0.45 },
  };
  const rows = against(readings, name, { metric: "CPU", unit: "s/GB", better: "lower" }, cpuBars);
  rows.push(
    makeRow({
      ...base(name),
      metric: "CPU",
      unit: "s/GB",
      better: "lower",
      ours: values(readings, "ours", "CPU"),
      bar: { of: "ours", atMost: 0.36 },
    }),
  );
  const ratio = values(readings, "ours", "ratio to direct");
  rows.push(
    makeRow({
      ...base(name),
      metric: "throughput, ratio to direct",
      unit: "",
      better: "higher",
      ours: ratio,
      ...(streams === 8 && { bar: { of: "ours", atLeast: 0.42 } as const }),
    }),
  );
  return [...rows, ...against(readings, name, { metric: "throughput", unit: "MB/s", better: "higher" })];
}

async function connections(
  context: SuiteContext,
  field: TunnelField,
  relays: readonly Relay[],
  name: string,
): Promise<Row[]> {
  context.progress(name);
  const contestants = [...relays, field.direct()].map((relay) => ({
    name: relay.name,
    measure: async (): Promise<Reading> => {
      const [run, cpu] = await withCpu(relay, () =>
        field.connections(relay, { seconds: SECONDS, threads: CLIENTS }),
      );
      return {
        connections: run.count / run.seconds,
        "latency p99": run.p99Micros / 1e3,
        "latency p50": run.p50Micros / 1e3,
        CPU: (cpu / run.count) * 1e6,
      };
    },
  }));
  const readings = await inTurn(context.rounds, contestants, { warmUpRounds: 1 });
  context.keep(name, Object.fromEntries(readings));
  return [
    ...against(
      readings,
      name,
      { metric: "connections", unit: "1/s", better: "higher" },
      {
        dante: { of: "ratio", atLeast: 2 },
        haproxy: { of: "ratio", atLeast: 0.9 },
      },
    ),
    makeRow({
      ...base(name),
      metric: "latency p99",
      unit: "ms",
      better: "lower",
      ours: values(readings, "ours", "latency p99"),
      // Sixteen clients keep two cores busy by themselves.
      peer: { name: "direct", rounds: values(readings, "direct", "latency p99") },
      bar: { of: "ours", atMost: 6 },
    }),
    ...against(readings, name, { metric: "CPU", unit: "µs/connection", better: "lower" }),
  ];
}

async function manyConnections(context: SuiteContext, field: TunnelField): Promise<Row[]> {
  context.progress(MANY_CASE);
  // Single seconds differ by a fifth without a cause: only rounds tell a trend from that.
  const perSecond: number[][] = [];
  for (let round = 0; round < context.rounds; round++) {
    const run = await field.connections(field.ours(), { count: MANY, threads: CLIENTS });
    perSecond.push(run.perSecond.slice(0, -1));
  }
  context.keep(MANY_CASE, perSecond);
  const toFirst = (rateOf: (seconds: readonly number[]) => number) =>
    perSecond.map((seconds) => rateOf(seconds) / (seconds[0] ?? 0));
  return [
    makeRow({
      ...base(MANY_CASE),
      metric: "last second's rate to the first's",
      unit: "",
      better: "higher",
      ours: toFirst((seconds) => seconds.at(-1) ?? 0),
      bar: { of: "ours", atLeast: 0.9 },
    }),
    makeRow({
      ...base(MANY_CASE),
      metric: "slowest second's rate to the first's",
      unit: "",
      better: "higher",
      ours: toFirst((seconds) => Math.min(...seconds)),
    }),
  ];
}

async function datagrams(context: SuiteContext, field: TunnelField): Promise<Row[]> {
  context.progress(DATAGRAM_CASE);
  const arrived: number[] = [];
  const cpu: number[] = [];
  try {
    for (let round = -1; round < context.rounds; round++) {
      const [run, used] = await withCpu(field.ours(), () => field.datagrams(SECONDS, DATAGRAM_BYTES, JOINED));
      if (round < 0) continue;
      arrived.push(run.arrived);
      cpu.push((used / (run.arrived * SECONDS)) * 1e6);
    }
  } finally {
    await field.useUpstream();
  }
  context.keep(DATAGRAM_CASE, { arrived, cpu });
  return [
    makeRow({
      ...base(DATAGRAM_CASE),
      metric: "datagrams",
      unit: "1/s",
      better: "higher",
      ours: arrived,
      bar: { of: "ours", atLeast: 300_000 },
    }),
    makeRow({ ...base(DATAGRAM_CASE), metric: "CPU", unit: "µs/datagram", better: "lower", ours: cpu }),
  ];
}

function base(name: string): Pick<Measured, "suite" | "case"> {
  return { suite: "tunnel", case: name };
}

function values(readings: ReadonlyMap<string, readonly Reading[]>, name: string, metric: string): number[] {
  return (readings.get(name) ?? []).map((reading) => reading[metric] ?? Number.NaN);
}

/** One row for each of the others. */
function against(
  readings: ReadonlyMap<string, readonly Reading[]>,
  name: string,
  metric: Pick<Measured, "metric" | "unit" | "better">,
  bars: Readonly<Record<string, Bar>> = {},
): Row[] {
  const ours = values(readings, "ours", metric.metric);
  const others = [...readings.keys()].filter((one) => one !== "ours" && one !== "direct");
  return others.map((other) => {
    const bar = bars[other];
    const peer = { name: other, rounds: values(readings, other, metric.metric) };
    return makeRow({ ...base(name), ...metric, ours, peer, ...(bar && { bar }) });
  });
}
