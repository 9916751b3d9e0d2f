import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensurePackages } from "../../../scripts/debian-packages.ts";
import { inTurn } from "../measure/in-turn.ts";
import { LOAD_CORE, PROXY_CORE, pinned } from "../measure/pinned.ts";
import { cpuSecondsOf } from "../measure/process-cpu.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { median } from "../measure/statistics.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { anyAddress } from "../peers/any-address.ts";
import { freePort, startPinned } from "../peers/pinned-process.ts";
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

interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  close(): Promise<void>;
}

export const dns: Suite = {
  name: "dns",
  about: "the resolver against dnsmasq and unbound: blocked and cached answers, and a million names",
  async run(context) {
    await ensurePackages(PACKAGES);
    using folder = temporaryFolder();
    await using authority = await openAuthority();
    const names = Array.from(
      { length: BLOCKED_NAMES },
      (_, index) => `n${index}.tracker${index % 997}.example`,
    );
    const servers = [
      await startOurs(folder.path, names),
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

async function measureBlocked(
  context: SuiteContext,
  folder: string,
  names: readonly string[],
  servers: readonly Server[],
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
async function askAll({ name, pid, port }: Server, queries: string): Promise<Load> {
  const argv = [
    "-s",
    "127.0.0.1",
    "-p",
    `${port}`,
    "-d",
    queries,
    "-n",
    "1",
    "-q",
    `${OUTSTANDING}`,
  ] as const;
  const before = cpuSecondsOf(pid);
  const { stdout } = await promisify(execFile)(...pinned(LOAD_CORE, ["dnsperf", ...argv]), {
    timeout: 120_000,
  });
  const cpu = cpuSecondsOf(pid) - before;
  const denied = Number(/NXDOMAIN (\d+)/.exec(stdout)?.[1]);
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(stdout)?.[1]);
  if (denied !== QUERIES) throw new Error(`${name} denied ${denied} of ${QUERIES} blocked names.`);
  return { cpuMicroseconds: (cpu / QUERIES) * 1e6, perSecond };
}

async function measureCached(context: SuiteContext, servers: readonly Server[]): Promise<Row[]> {
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
async function askInTurn({ name, port }: Server): Promise<number> {
  const client = join(import.meta.dirname, "../peers/dns_latency.py");
  const argv = ["python3", client, `${port}`, `${SEQUENTIAL}`] as const;
  const { stdout } = await promisify(execFile)(...pinned(LOAD_CORE, argv), { timeout: 120_000 });
  const microseconds = Number(stdout);
  if (!(microseconds > 0)) throw new Error(`${name} did not answer a cached name.`);
  return microseconds;
}

async function measureMillion(context: SuiteContext, folder: string): Promise<Row> {
  context.progress("a million names in memory");
  const rounds: number[] = [];
  const names = Array.from({ length: MILLION }, (_, index) => `n${index}.tracker${index % 997}.example`);
  for (let round = 0; round < Math.min(3, context.rounds); round++) {
    const bare = await startOurs(folder, []);
    const without = await settledBytes(bare.pid);
    await bare.close();
    const full = await startOurs(folder, names);
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
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen.push(residentBytes(pid));
  }
  return median(seen);
}

/** A server of plain DNS that knows every name, for those that cannot ask over HTTPS. */
async function openAuthority(): Promise<{ readonly port: number } & AsyncDisposable> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => socket.send(anyAddress(query), port, address));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    port,
    async [Symbol.asyncDispose]() {
      socket.close();
    },
  };
}

async function startOurs(folder: string, names: readonly string[]): Promise<Server> {
  const list = join(folder, "ours.txt");
  writeFileSync(list, names.map((name) => `||${name}^\n`).join(""));
  const program = join(import.meta.dirname, "../peers/resolver-program.ts");
  return start("ours", (port) => [process.execPath, program, `${port}`, list]);
}

async function startDnsmasq(folder: string, names: readonly string[], authority: number): Promise<Server> {
  const file = join(folder, "dnsmasq.conf");
  const list = names.map((name) => `local=/${name}/`).join("\n");
  return start("dnsmasq", (port) => {
    const lines = ["no-resolv", "no-hosts", "bind-interfaces", "listen-address=127.0.0.1", `port=${port}`];
    const asked = [`server=127.0.0.1#${authority}`, "cache-size=10000", list];
    writeFileSync(file, `${[...lines, ...asked].join("\n")}\n`);
    return ["dnsmasq", "--keep-in-foreground", `--conf-file=${file}`, "--user=root"];
  });
}

async function startUnbound(folder: string, names: readonly string[], authority: number): Promise<Server> {
  const file = join(folder, "unbound.conf");
  return start("unbound", (port) => {
    const zones = names.map((name) => ` local-zone: "${name}" always_nxdomain`).join("\n");
    const server = ["server:", " interface: 127.0.0.1", ` port: ${port}`, ' username: ""', ' chroot: ""'];
    const quiet = [" use-syslog: no", " do-daemonize: no", ' pidfile: ""', " do-not-query-localhost: no"];
    const plain = [' module-config: "iterator"', " num-threads: 1", zones];
    const forward = ["forward-zone:", ' name: "."', ` forward-addr: 127.0.0.1@${authority}`];
    const control = ["remote-control:", " control-enable: no"];
    writeFileSync(file, `${[...server, ...quiet, ...plain, ...forward, ...control].join("\n")}\n`);
    return ["unbound", "-d", "-c", file];
  });
}

async function start(name: string, argvFor: (port: number) => [string, ...string[]]): Promise<Server> {
  const port = await freePort();
  const { pid, close } = await startPinned(PROXY_CORE, argvFor(port), port);
  return { name, pid, port, close };
}
