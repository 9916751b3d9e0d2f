import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ExitFlow } from "../exits/exit-program.ts";
import { ProtectedMachine, type UpstreamProtocol } from "../faults/protected-machine.ts";
import { addresses, buildMachine, type Machine } from "../leaks/machine.ts";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { writeEtcFiles } from "../net/namespaces.ts";
import { must } from "../net/run.ts";
import { makeCertificates } from "../sites/certificates.ts";
import { BesideCounter } from "./beside-counter.ts";
import { expectSame, type Program, type ProgramPlace, sites } from "./program.ts";

/** What came of one program. */
export interface ProgramResult {
  readonly upstream: UpstreamProtocol;
  readonly program: string;
  /** Why it is not as without a tunnel; null: it is. */
  readonly problem: string | null;
  /** What was seen. */
  readonly seen: string;
  /** Flows for its targets that the upstream carried to their end, and bytes in both directions. */
  readonly flows: number;
  readonly bytes: number;
  /** Packets of the machine's that came outside and were not for an upstream. */
  readonly beside: number;
  readonly seconds: number;
}

export interface ProgramsOptions {
  readonly upstream: UpstreamProtocol;
  readonly programs: readonly Program[];
  readonly transferBytes: number;
  readonly onResult?: (result: ProgramResult) => void;
}

export interface ProgramsReport {
  /** Packets that the same counter saw of two requests without the product. */
  readonly control: number;
  readonly results: readonly ProgramResult[];
}

/** How long the upstream may take to say that flows have ended. */
const FLOWS_MS = 10_000;
const siteProgram = join(import.meta.dirname, "../sites/site.ts");

/** Uses programs on a machine whose traffic the real daemon leads through an upstream. */
export async function runPrograms(options: ProgramsOptions): Promise<ProgramsReport> {
  const machine = await buildMachine();
  const product = new ProtectedMachine(machine, { protocol: options.upstream });
  const servers: NamespaceProcess[] = [];
  try {
    // Each frame of gigabytes would be kept: a counter in the kernel does here.
    await machine.capture.stop();
    const place = await prepare(machine, options.transferBytes, servers);
    for (const program of options.programs) await program.serve?.(place);
    for (const program of options.programs) await program.directly?.(place);
    const counter = await BesideCounter.start(machine);
    const control = await askDirectly(place, counter);
    await product.start();
    await counter.watch(product.endpoints);
    const results: ProgramResult[] = [];
    for (const program of options.programs) {
      const result = { upstream: options.upstream, ...(await use(program, place, product, counter)) };
      results.push(result);
      options.onResult?.(result);
    }
    return { control, results };
  } finally {
    await product.close();
    await Promise.all(servers.map((server) => server.stop("SIGKILL")));
    await machine.close();
  }
}

async function prepare(
  machine: Machine,
  transferBytes: number,
  servers: NamespaceProcess[],
): Promise<ProgramPlace> {
  const { folder } = machine;
  const all = Object.values(sites);
  const lines = all.map(({ name, address }) => `${address} ${name}`);
  const nsswitch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
  writeEtcFiles(machine.namespace("outside"), {
    hosts: `127.0.0.1 localhost\n${lines.join("\n")}\n`,
    "nsswitch.conf": nsswitch,
  });
  // Nobody answers there: the daemon leads the questions to its own resolver.
  writeEtcFiles(machine.namespace("machine"), {
    hosts: "127.0.0.1 localhost\n",
    "resolv.conf": "nameserver 100.100.1.53\n",
    "nsswitch.conf": nsswitch,
  });
  const certificates = await makeCertificates(
    folder,
    all.map(({ name }) => name),
  );
  const outside = (argv: readonly string[]) => {
    const started = new NamespaceProcess(machine.namespace("outside"), argv);
    servers.push(started);
    return started;
  };
  const { certificate, key, authority } = certificates;
  await outside([process.execPath, siteProgram, "80", "443", certificate, key]).listening(443);
  const inside = ["ip", "netns", "exec", machine.namespace("machine")];
  return {
    folder,
    ...{ authority, certificate, key },
    transferBytes,
    onMachine: (argv, options) => must([...inside, ...argv], options),
    outside,
  };
}

/** What the counter does not see without the product it could not see beside it. */
async function askDirectly({ onMachine }: ProgramPlace, counter: BesideCounter): Promise<number> {
  for (const [to, from] of [
    [sites.shop.address, addresses.machine[4]],
    ["[2001:db8:100::80]", addresses.machine[6]],
  ] as const) {
    const answer = await onMachine(["curl", "-sS", "--max-time", "30", `http://${to}/address`]);
    if (!answer.includes(`"${from}"`)) throw new Error(`Without the product the site saw: ${answer}`);
  }
  const control = await counter.take();
  if (control === 0) throw new Error("The counter saw nothing of two requests without the product.");
  return control;
}

async function use(
  program: Program,
  place: ProgramPlace,
  product: ProtectedMachine,
  counter: BesideCounter,
): Promise<Omit<ProgramResult, "upstream">> {
  const before = product.flows().length;
  const begun = performance.now();
  let seen = "";
  let problem: string | null = null;
  let flows: ExitFlow[] = [];
  try {
    seen = await program.use(place);
    flows = await flowsFor(program, product, before);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const beside = await counter.take();
  if (problem === null && beside > 0) problem = `${beside} packets left beside the tunnel.`;
  return {
    program: program.name,
    problem,
    seen,
    flows: flows.length,
    bytes: flows.reduce((sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes, 0),
    beside,
    seconds: (performance.now() - begun) / 1_000,
  };
}

/** Those that the upstream says it carried since; waits until each target is among them. */
async function flowsFor(
  { targets }: Program,
  product: ProtectedMachine,
  before: number,
): Promise<ExitFlow[]> {
  const deadline = performance.now() + FLOWS_MS;
  for (;;) {
    const flows = product
      .flows()
      .slice(before)
      .filter(({ target }) => targets.includes(target));
    const missing = targets.filter((each) => flows.every(({ target }) => target !== each));
    if (missing.length === 0) return flows;
    if (performance.now() > deadline)
      expectSame("Targets that the upstream was not asked for", missing.join(", "), "");
    await delay(20);
  }
}
