import type { Load, Way } from "../load/load.ts";
import type { PeerWay } from "../peers/peer.ts";
import type { Bar, Row } from "../row.ts";

type Run = (load: Load, way: Way) => Promise<Reading>;

/** What one run gave. */
interface Reading {
  /** By the metric's name. */
  readonly values: Readonly<Record<string, number>>;
  /** What its CPU seconds are divided by: millions of requests or tunnels, or GB. */
  readonly work: number;
}

/** What must hold against whom, by the names of rivals. */
type Bars = Readonly<Record<string, Bar>>;

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: Row["better"];
  readonly bars?: Bars;
}

/** One way to use a gateway, and what is measured of it. */
export interface GatewayCase {
  readonly name: string;
  readonly way: PeerWay;
  readonly metrics: readonly Metric[];
  readonly run: Run;
  /** The direct path must be this many times as fast as proxy-chain in the leading metric, or the load is the limit. */
  readonly directAtLeast?: number;
}

const SECONDS = 2;
const THREADS = 50;
const BULK_BYTES = 1_000_000_000;
const atLeast = (ratio: number): Bar => ({ of: "ratio", atLeast: ratio });
const atMost = (ratio: number): Bar => ({ of: "ratio", atMost: ratio });

export const gatewayCases: readonly GatewayCase[] = [
  {
    name: `forward, ${THREADS} keep-alive connections`,
    way: "forward",
    metrics: [
      ...rated("requests", { "proxy-chain": atLeast(3), squid: atLeast(1) }),
      cpuPer("µs/request", { "proxy-chain": atMost(1 / 3), squid: atMost(1) }),
    ],
    run: timed("requests", "requests"),
    directAtLeast: 3,
  },
  {
    name: `CONNECT and one GET, new connection each, ${THREADS} at once`,
    way: "tunnel",
    metrics: [
      ...rated("tunnels", { "proxy-chain": atLeast(2), squid: atLeast(1.5) }),
      cpuPer("µs/tunnel", { "proxy-chain": atMost(1 / 2), squid: atMost(1 / 1.5) }),
    ],
    run: timed("connections", "tunnels"),
    // A tunnel costs the load less than twice what a direct connection does.
    directAtLeast: 2,
  },
  {
    name: `SOCKS5 and one GET, new connection each, ${THREADS} at once`,
    way: "socks5",
    metrics: [...rated("tunnels", { dante: atLeast(2) }), cpuPer("µs/tunnel", { dante: atMost(1 / 2) })],
    run: timed("connections", "tunnels"),
  },
  bulkCase("CONNECT", "tunnel", "down"),
  bulkCase("CONNECT", "tunnel", "up"),
  bulkCase("SOCKS5", "socks5", "down"),
];

/** How many a second, and how long each takes. */
function rated(name: string, bars: Bars): Metric[] {
  return [
    { name, unit: "1/s", better: "higher", bars },
    { name: "latency p50", unit: "ms", better: "lower" },
    { name: "latency p99", unit: "ms", better: "lower" },
  ];
}

function cpuPer(unit: string, bars: Bars): Metric {
  return { name: "CPU", unit, better: "lower", bars };
}

function bulkCase(protocol: string, way: PeerWay, direction: "down" | "up"): GatewayCase {
  return {
    name: `one ${protocol} tunnel, bulk ${direction}`,
    way,
    metrics: [
      { name: "throughput", unit: "MB/s", better: "higher" },
      cpuPer("s/GB", {
        haproxy: atMost(0.45),
        "haproxy, splicing": atMost(0.45),
        dante: atMost(0.5),
        "node pipe": atMost(0.4),
      }),
    ],
    async run(load, path) {
      const { bytes, seconds } = await load.bulk(path, BULK_BYTES, direction);
      return { values: { throughput: bytes / seconds / 1e6 }, work: bytes / 1e9 };
    },
  };
}

function timed(kind: "requests" | "connections", rate: string): Run {
  return async (load, way) => {
    const { count, seconds, p50Micros, p99Micros } = await load.timed(kind, way, {
      seconds: SECONDS,
      threads: THREADS,
    });
    const values = {
      [rate]: count / seconds,
      "latency p50": p50Micros / 1e3,
      "latency p99": p99Micros / 1e3,
    };
    return { values, work: count / 1e6 };
  };
}
