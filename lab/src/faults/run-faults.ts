import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Fault, FaultPlace } from "./fault.ts";
import { both } from "./faults.ts";
import { type Attempt, type AttemptReport, runAttempts } from "./run-attempts.ts";
import { type FaultResult, underProbes } from "./under-probes.ts";

export interface FaultOptions {
  readonly count: number;
  /** Not empty. */
  readonly among: readonly Fault[];
  /** The Debian package that is installed and run, and upgraded again and again; default: the checkout's daemon runs. */
  readonly package?: string;
  /** No fault is begun after so many seconds. */
  readonly withinSeconds?: number;
  readonly onResult?: (result: FaultResult) => void;
}

/** After each kind was had: one of so many is two at once. */
const PAIRS = 4;

/** Puts faults in, each kind once and then at random, while everything is tried that must not get out. */
export function runFaults(options: FaultOptions): Promise<AttemptReport> {
  const { count, among, onResult, withinSeconds = Number.POSITIVE_INFINITY } = options;
  return runAttempts(chosen(among, count), {
    machine: { ...(options.package && { package: options.package }) },
    withinSeconds,
    ...(onResult && { onResult }),
  });
}

function* chosen(among: readonly Fault[], count: number): Generator<Attempt, undefined> {
  for (let at = 0; at < count; at++) {
    const fault = choose(among, at);
    yield { name: fault.name, run: (place) => tryFault(place, fault) };
  }
  return undefined;
}

function choose(among: readonly Fault[], at: number): Fault {
  const fault = among[at] ?? among[randomInt(among.length)];
  if (!fault) throw new Error("There are no faults.");
  if (at < among.length || randomInt(PAIRS) !== 0) return fault;
  const others = among.filter((other) => other.name !== fault.name && !isTaken(fault, other));
  const other = others[randomInt(Math.max(others.length, 1))];
  return other ? both(fault, other) : fault;
}

function isTaken(one: Fault, other: Fault): boolean {
  return one.takes !== undefined && one.takes === other.takes;
}

async function tryFault(place: FaultPlace, fault: Fault): Promise<FaultResult> {
  // At random against what the product does on its own.
  await delay(randomInt(50));
  return underProbes(place, fault.name, {
    async fault() {
      const hit = performance.now();
      await fault.inject(place);
      return fault.lasts ? performance.now() : hit;
    },
    after: async () => fault.after?.(place),
  });
}
