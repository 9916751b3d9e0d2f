import { setTimeout as delay } from "node:timers/promises";
import { MARK, type Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { account, type SentCase } from "../leaks/account.ts";
import { compileShape, elsewhere } from "../leaks/compile.ts";
import { physicalLink } from "../leaks/machine.ts";
import { describeShape, type Shape, shapes } from "../leaks/matrix.ts";
import { upstreamA } from "../leaks/phases.ts";
import { nextTag, sendAll } from "../leaks/sending.ts";
import type { FaultPlace } from "./fault.ts";

/** What came of one fault. */
export interface FaultResult {
  readonly fault: string;
  /** Packets outside that no policy of the product allows. */
  readonly leaks: readonly string[];
  /** From the fault on until a flow went through the tunnel again, in milliseconds; null: it did not in time. */
  readonly backMs: number | null;
  /** What the product says of itself where traffic did not come back, or what else was not as it must be. */
  readonly problem: string | null;
  /** How many packets were tried meanwhile that must not be seen outside. */
  readonly probes: number;
}

/** The machine is of no more use. */
export class NotMendedError extends Error {
  readonly result: FaultResult;

  constructor(result: FaultResult) {
    super(`${result.fault}: ${result.problem}`);
    this.result = result;
  }
}

/** What must never be seen. Marked and held probes are not the machine's programs. */
const dark = shapes.filter(({ way }) => !way.includes("opened before") && !way.startsWith("right mark"));

/** How many of them are sent at once: each comes every few rounds. */
const ROUND = 42;
const PAUSE_MS = 50;
const TRY_MS = [400, 400, 800, 2_000];

/** How long traffic may take to be back: the restart of a service, and a connection. */
export const BACK_MS = 30_000;

/**
 * Puts a fault in while everything is tried that must not get out, until traffic is back and once more after it.
 * @param options.fault returns when what it does is done, with the moment it hit; traffic counts as back only from then on
 * @throws NotMendedError with what came of it, when traffic is not back in time and a hand does not help either
 */
export async function underProbes(
  place: FaultPlace,
  name: string,
  options: {
    readonly fault: () => Promise<number>;
    readonly after?: () => Promise<void>;
    /** The machine is opened by the person meanwhile. */
    readonly ignoreLeaks?: boolean;
  },
): Promise<FaultResult> {
  const sent: SentCase[] = [];
  let isOver = false;
  const probing = (async () => {
    while (!isOver) {
      await probe(place, sent);
      // The machine under test has the same processors.
      await delay(PAUSE_MS);
    }
    await probe(place, sent);
  })();
  // Awaited below; what ends it early must not end everything before that.
  probing.catch(() => {});
  let backMs: number | null = null;
  let problem: string | null = null;
  let isMended = true;
  try {
    const hit = await options.fault();
    const back = await carries(place, BACK_MS);
    if (back === null) problem = await stateOf(place);
    else backMs = back - hit;
    await options.after?.().catch((error: Error) => {
      problem = error.message;
    });
    if (back === null) {
      await lendHand(place).catch((error: Error) => {
        isMended = false;
        problem += ` Nor by a hand: ${error.message}`;
      });
    }
  } finally {
    isOver = true;
    await probing;
  }
  const seen = await leaksOf(place, sent);
  const leaks = options.ignoreLeaks ? [] : seen;
  const result = { fault: name, leaks, backMs, problem, probes: sent.length };
  if (!isMended) throw new NotMendedError(result);
  return result;
}

/** What the product must not need. */
async function lendHand({ product }: FaultPlace): Promise<void> {
  await product.ready();
  await product.connect();
}

/** When an ordinary program's connection went through the tunnel and back; null: none did. */
export async function carries({ traveller }: FaultPlace, withinMs: number): Promise<number | null> {
  const deadline = performance.now() + withinMs;
  for (let attempt = 0; performance.now() < deadline; attempt++) {
    const probe = { tag: nextTag(), family: 4, protocol: "tcp", port: 443, to: elsewhere[4] } as const;
    const { error } = await traveller.exchange(probe, TRY_MS[attempt] ?? TRY_MS.at(-1) ?? 0);
    if (error === null) return performance.now();
    await delay(20);
  }
  return null;
}

const order: Shape[] = [];

async function probe({ probers }: FaultPlace, sent: SentCase[]): Promise<void> {
  const where = {
    link: physicalLink,
    second: false,
    upstream: upstreamA,
    mark: MARK,
  };
  // All kinds in turn, those of one way not next to each other.
  if (order.length < ROUND) order.push(...shuffled(dark));
  const cases = order
    .splice(0, ROUND)
    .map((shape): SentCase => ({ shape, sent: compileShape(shape, nextTag(), where) }));
  sent.push(...cases);
  await sendAll(probers, cases);
}

async function leaksOf({ links, product }: FaultPlace, cases: readonly SentCase[]): Promise<string[]> {
  const policy: Policy = { kind: "connecting", upstreams: product.endpoints, allowLan: false };
  const { seen, unnamed } = account(await links.segment(), cases, [policy]);
  return [...[...seen].map(({ shape }) => describeShape(shape)), ...unnamed];
}

async function stateOf({ product }: FaultPlace): Promise<string> {
  try {
    return JSON.stringify(await product.view());
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)} ${product.log}`;
  }
}

function shuffled<Each>(all: readonly Each[]): Each[] {
  return all
    .map((each) => ({ each, at: Math.random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ each }) => each);
}
