import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { MARK, type Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { account, type SentCase } from "../leaks/account.ts";
import { compileShape } from "../leaks/compile.ts";
import { buildMachine, physicalLink } from "../leaks/machine.ts";
import { describeShape, shapes } from "../leaks/matrix.ts";
import { PhaseLinks } from "../leaks/phase-links.ts";
import { startProbers } from "../leaks/probers.ts";
import type { Seen } from "../leaks/seen.ts";
import { nextTag, sendAll } from "../leaks/sending.ts";
import { must, run } from "../net/run.ts";
import { type Fault, type FaultPlace, faults } from "./faults.ts";
import { ProtectedMachine } from "./protected-machine.ts";

/** What came of one fault. */
export interface FaultResult {
  readonly fault: string;
  /** Packets outside that no policy of the product allows. */
  readonly leaks: readonly string[];
  /** From the fault on until a flow went through the tunnel again, in milliseconds; null: it did not in time. */
  readonly backMs: number | null;
  /** What the product says of itself where traffic did not come back. */
  readonly state: string | null;
}

export interface FaultReport {
  readonly faults: number;
  readonly leaked: number;
  readonly stuck: number;
  /** Probes that were sent under the faults. */
  readonly probes: number;
  readonly daemonStarts: number;
  readonly results: readonly FaultResult[];
  readonly seconds: number;
}

export interface FaultOptions {
  readonly count: number;
  /** Default: all there are. */
  readonly among?: readonly Fault[];
  readonly onResult?: (result: FaultResult) => void;
}

/** How long traffic may take to be back: the restart of a service, and a connection. */
const BACK_MS = 30_000;
/** The data folder is a disk of its own, small enough to be filled. */
const DISK_BYTES = 8 << 20;
/** What must never be seen. Marked and held probes are not the machine's programs. */
const dark = shapes.filter(({ way }) => !way.includes("opened before") && !way.startsWith("right mark"));

/** Puts faults in, each kind once and then at random, while everything is tried that must not get out. */
export async function runFaults({ count, among = faults, onResult }: FaultOptions): Promise<FaultReport> {
  const begun = performance.now();
  const machine = await buildMachine();
  const product = new ProtectedMachine(machine);
  const mountPoint = product.data;
  try {
    await must(["mkdir", "-p", mountPoint]);
    await must(["mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", mountPoint]);
    const probers = await startProbers(machine, false);
    const links = new PhaseLinks(machine);
    const place: FaultPlace = { machine, links, probers, product };
    await product.start();
    const first = await carries(place, BACK_MS);
    if (first === null)
      throw new Error(`The tunnel carries nothing: ${JSON.stringify(await product.view())}`);
    const results: FaultResult[] = [];
    let probes = 0;
    await links.segment();
    for (let at = 0; at < count; at++) {
      const fault = among[at < among.length ? at : randomInt(among.length)];
      if (!fault) throw new Error("There are no faults.");
      const { result, sent } = await tryFault(place, fault);
      probes += sent;
      results.push(result);
      onResult?.(result);
    }
    await machine.capture.stop();
    return {
      faults: results.length,
      leaked: results.reduce((sum, { leaks }) => sum + leaks.length, 0),
      stuck: results.filter(({ backMs }) => backMs === null).length,
      probes,
      daemonStarts: product.starts,
      results,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    await product.close();
    await run(["umount", mountPoint]);
    await machine.close();
  }
}

async function tryFault(place: FaultPlace, fault: Fault): Promise<{ result: FaultResult; sent: number }> {
  const { links, product, probers } = place;
  const where = {
    link: physicalLink,
    second: false,
    upstream: { 4: "100.100.7.7", 6: "2001:db8:100::7" },
    mark: MARK,
  };
  const sent: SentCase[] = [];
  const frames: Seen[] = [];
  const probe = async () => {
    const cases = dark.map((shape): SentCase => ({ shape, sent: compileShape(shape, nextTag(), where) }));
    sent.push(...cases);
    await sendAll(probers, cases);
  };
  // At random against what the product does on its own.
  await delay(randomInt(50));
  const begun = performance.now();
  let back: number | null = null;
  await Promise.all([fault.inject(place), probe()]);
  const returning = carries(place, BACK_MS).then((ok) => {
    back = ok === null ? null : performance.now() - begun;
  });
  await Promise.all([returning, probe()]);
  await probe();
  const state = back === null ? JSON.stringify(await product.view().catch(String)) : null;
  await fault.after?.(place);
  // The hand that the product must not need: counted as stuck, and lent so that the next fault finds it well.
  if (back === null) await product.connect();
  frames.push(...(await links.segment()));
  return {
    result: { fault: fault.name, leaks: leaksIn(frames, sent, product), backMs: back, state },
    sent: sent.length,
  };
}

function leaksIn(frames: readonly Seen[], cases: readonly SentCase[], product: ProtectedMachine): string[] {
  const policy: Policy = { kind: "connecting", upstreams: product.endpoints, allowLan: false };
  const { seen, unnamed } = account(frames, cases, [policy]);
  return [...[...seen].map(({ shape }) => describeShape(shape)), ...unnamed];
}

/** Waits until an ordinary program's connection goes through the tunnel and back. */
async function carries({ probers }: FaultPlace, forMs: number): Promise<true | null> {
  const deadline = performance.now() + forMs;
  while (performance.now() < deadline) {
    const probe = { tag: nextTag(), family: 4, protocol: "tcp", port: 443, to: "100.100.1.1" } as const;
    const { error } = await probers.by.user.exchange(probe, 2_000);
    if (error === null) return true;
    await delay(50);
  }
  return null;
}
