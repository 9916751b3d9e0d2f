import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { must } from "@atlantic/lab/src/net/run.ts";
import { ensurePackages } from "../../../scripts/debian-packages.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE, pinned } from "../measure/pinned.ts";
import { cpuSecondsOf } from "../measure/process-cpu.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { median } from "../measure/statistics.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import {
  type NameServer,
  openAuthority,
  startDnsmasq,
  startOurResolver,
  startUnbound,
} from "../peers/name-servers.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

const BLOCKED_NAMES = 150_000;
const MILLION = 1_000_000;
/** Of each load: enough for CPU times of a second, which /proc tells to a hundredth. */
const QUERIES = 200_000;
const SEQUENTIAL = 3_000;
const OUTSTANDING = 64;
const PACKAGES = [
  { name: "dnsperf", program: "dnsperf", untested: "the resolver was not measured" },
  { name: "dnsmasq-base", program: "dnsmasq", untested: "the resolver was not measured against dnsmasq" },
  { name: "unbound", program: "unbound", untested: "the resolver was not measured against unbound" },
] as const;

export const dns: Suite = {
  name: "dns",
  about: "the resolver against dnsmasq and unbound: blocked and cached answers, and a million names",
  async run(context) {
    await ensurePackages(PACKAGES);
    using folder = temporaryFolder();
    await using authority = await openAuthority();
    const names = trackers(BLOCKED_NAMES);
    const servers = [
      await startOurResolver(folder.path, names),
      await startDnsmasq(folder.path, names, authority.port),
      await startUnbound(folder.path, names, authority.port),
    ];
    try {
      return [
        ...(await measureBlocked(context, folder.path, names, servers)),
        ...(await measureCached(context, servers)),
        await measureMillion(context, folder.path),
      ];
    } finally {
      for (const server of servers) await server.close();
    }
  },
};

function trackers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `n${index}.tracker${index % 997}.example`);
}

async function measureBlocked(
  context: SuiteContext,
  folder: string,
  names: readonly string[],
  servers: readonly NameServer[],
): Promise<Row[]> {
  context.progress(`${context.rounds} rounds of ${QUERIES} blocked names by dnsperf`);
  const queries = join(folder, "queries");
  const asked = Array.from({ length: QUERIES }, (_, index) => `${names[(index * 7_919) % names.length]} A`);
  writeFileSync(queries, `${asked.join("\n")}\n`);
  const values = await inTurn(
    context.rounds,
    servers.map((server) => ({ name: server.name, measure: () => askAll(server, queries) })),
    { warmUpRounds: 1 },
  );
  context.keep("blocked", Object.fromEntries(values));
  const of = (name: string, part: keyof Load) => (values.get(name) ?? []).map((load) => load[part]);
  return ["dnsmasq", "unbound"].flatMap((peer) => [
    makeRow({
      suite: "dns",
      case: `blocked name, ${BLOCKED_NAMES} names listed`,
      metric: "CPU per query",
      unit: "µs",
      better: "lower",
      ours: of("ours", "cpuMicroseconds"),
      peer: { name: peer, rounds: of(peer, "cpuMicroseconds") },
      ...(peer === "dnsmasq" && { bar: { of: "ratio", atMost: 1 } as const }),
    }),
    makeRow({
      suite: "dns",
      case: `blocked name, ${BLOCKED_NAMES} names listed`,
      metric: "answers",
      unit: "1/s",
      better: "higher",
      ours: of("ours", "perSecond"),
      peer: { name: peer, rounds: of(peer, "perSecond") },
    }),
  ]);
}

interface Load {
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
}

/** Asks for every name once. @throws Error when an answer is lost or is no denial */
async function askAll({ name, pid, port }: NameServer, queries: string): Promise<Load> {
  const load = ["-d", queries, "-n", "1", "-q", `${OUTSTANDING}`];
  const before = cpuSecondsOf(pid);
  const stdout = await onLoadCore("dnsperf", "-s", "127.0.0.1", "-p", `${port}`, ...load);
  const cpu = cpuSecondsOf(pid) - before;
  const denied = Number(/NXDOMAIN (\d+)/.exec(stdout)?.[1]);
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(stdout)?.[1]);
  if (denied !== QUERIES) throw new Error(`${name} denied ${denied} of ${QUERIES} blocked names.`);
  return { cpuMicroseconds: (cpu / QUERIES) * 1e6, perSecond };
}

async function measureCached(context: SuiteContext, servers: readonly NameServer[]): Promise<Row[]> {
  context.progress(`${context.rounds} rounds of ${SEQUENTIAL} cached answers, one after the other`);
  const values = await inTurn(
    context.rounds,
    servers.map((server) => ({ name: server.name, measure: () => askInTurn(server) })),
    { warmUpRounds: 1 },
  );
  context.keep("cached", Object.fromEntries(values));
  return ["unbound", "dnsmasq"].map((peer) =>
    makeRow({
      suite: "dns",
      case: "cached answer, one after the other",
      metric: "median latency",
      unit: "µs",
      better: "lower",
      ours: values.get("ours") ?? [],
      peer: { name: peer, rounds: values.get(peer) ?? [] },
      ...(peer === "unbound" && { bar: { of: "ratio", atMost: 1.5 } as const }),
    }),
  );
}

/** Median microseconds from query to answer, by a client that costs the same for all. */
async function askInTurn({ name, port }: NameServer): Promise<number> {
  const client = join(import.meta.dirname, "../peers/dns_latency.py");
  const microseconds = Number(await onLoadCore("python3", client, `${port}`, `${SEQUENTIAL}`));
  if (!(microseconds > 0)) throw new Error(`${name} did not answer a cached name.`);
  return microseconds;
}

/** @returns what the program printed */
function onLoadCore(...argv: [string, ...string[]]): Promise<string> {
  return must(pinned(LOAD_CORE, argv).flat(), { timeoutMs: 120_000 });
}

async function measureMillion(context: SuiteContext, folder: string): Promise<Row> {
  context.progress("a million names in memory");
  const rounds: number[] = [];
  const names = trackers(MILLION);
  for (let round = 0; round < Math.min(3, context.rounds); round++) {
    const bare = await startOurResolver(folder, []);
    const without = await settledBytes(bare.pid);
    await bare.close();
    const full = await startOurResolver(folder, names);
    rounds.push(((await settledBytes(full.pid)) - without) / 1e6);
    await full.close();
  }
  context.keep("million", rounds);
  return makeRow({
    suite: "dns",
    case: "a million names listed",
    metric: "memory for them",
    unit: "MB",
    better: "lower",
    ours: rounds,
    bar: { of: "ours", atMost: 60 },
  });
}

/** Median of a second, after its start is over. */
async function settledBytes(pid: number): Promise<number> {
  const seen: number[] = [];
  for (let look = 0; look < 10; look++) {
    await delay(100);
    seen.push(residentBytes(pid));
  }
  return median(seen);
}
