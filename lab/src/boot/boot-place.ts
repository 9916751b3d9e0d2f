import { setTimeout as delay } from "node:timers/promises";
import { type ProtectionView, protectionViewSchema } from "@atlantic/shared/control/protection.ts";
import { z } from "zod";
import type { BootMachine } from "./boot-machine.ts";
import { type Check, type Found, found } from "./guarantees.ts";
import type { Observed } from "./observed.ts";

/** Where guarantees are looked at. */
export interface BootPlace {
  readonly machine: BootMachine;
  readonly check: Check;
}

const statusSchema = z.looseObject({ protection: protectionViewSchema.nullable() });
/** The restart of a service on a busy machine, and a connection. */
const PATIENCE_MS = 60_000;

/** What the daemon says of itself; null while it does not answer. */
async function view(machine: BootMachine): Promise<ProtectionView | null> {
  const { code, stdout } = await machine.run("atlantic", "--json", "status");
  return code === 0 ? statusSchema.parse(JSON.parse(stdout)).protection : null;
}

/** Waits until the daemon says that it is in this state. @throws Error with what it says when that takes too long */
export async function reaches(machine: BootMachine, state: ProtectionView["state"]): Promise<ProtectionView> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = await view(machine);
    if (now?.state === state) return now;
    if (performance.now() > deadline) {
      const { stdout } = await machine.run(
        "journalctl",
        "--boot",
        "--lines=20",
        "--unit=atlantic*",
        "--output=cat",
      );
      throw new Error(`The daemon is not ${state}: ${JSON.stringify(now)}\n${stdout}`);
    }
    await delay(100);
  }
}

/** Waits until a program's traffic goes through the upstream. */
export async function carriesAgain(machine: BootMachine): Promise<Found> {
  const begun = performance.now();
  for (;;) {
    const isCarried = await machine.carries();
    const ms = performance.now() - begun;
    if (isCarried) return found(true, `traffic went through the upstream after ${(ms / 1000).toFixed(1)} s`);
    if (ms > PATIENCE_MS) {
      const state = JSON.stringify(await view(machine));
      return found(false, `no traffic went through the upstream: ${state}`);
    }
    await delay(50);
  }
}

/** Lets the sender try everything so often more. @returns all that came out since the last time */
export async function afterRounds(machine: BootMachine, rounds: number): Promise<Observed> {
  const deadline = performance.now() + PATIENCE_MS;
  let sum: Observed = { beside: new Map(), allowed: 0, rounds: 0 };
  while (sum.rounds < rounds) {
    if (performance.now() > deadline) throw new Error(`Only ${sum.rounds} rounds were sent.`);
    await delay(100);
    const more = await machine.observe();
    const beside = new Map(sum.beside);
    for (const [kind, count] of more.beside) beside.set(kind, (beside.get(kind) ?? 0) + count);
    sum = { beside, allowed: sum.allowed + more.allowed, rounds: sum.rounds + more.rounds };
  }
  return sum;
}

/** A property of a unit, as `systemctl show` prints it. */
export async function property(machine: BootMachine, unit: string, name: string): Promise<string> {
  return (await machine.must("systemctl", "show", "--value", `--property=${name}`, unit)).trim();
}
