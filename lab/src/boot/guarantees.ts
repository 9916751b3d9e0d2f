import type { Observed } from "./observed.ts";

/** What was found of one guarantee. */
export interface Found {
  readonly holds: boolean;
  /** What was seen, for people. */
  readonly found: string;
}

/** A guarantee that was looked at. */
export interface Guarantee extends Found {
  readonly guarantee: string;
}

/** Looks at one guarantee; what is thrown is one that does not hold. */
export type Check = (guarantee: string, look: () => Promise<Found>) => Promise<void>;

/** Keeps what was found. */
export function collect(onFound: (found: Guarantee) => void): {
  readonly all: readonly Guarantee[];
  check: Check;
} {
  const all: Guarantee[] = [];
  return {
    all,
    async check(guarantee, look) {
      let found: Found;
      try {
        found = await look();
      } catch (error) {
        found = { holds: false, found: error instanceof Error ? error.message : String(error) };
      }
      const whole = { guarantee, ...found };
      all.push(whole);
      onFound(whole);
    },
  };
}

/** All of these hold. */
export function all(...parts: readonly Found[]): Found {
  const bad = parts.filter(({ holds }) => !holds);
  return {
    holds: bad.length === 0,
    found: (bad.length > 0 ? bad : parts).map(({ found }) => found).join("; "),
  };
}

export function found(holds: boolean, text: string): Found {
  return { holds, found: text };
}

/** Nothing came out beside what is allowed, although it was tried. */
export function nothingBeside({ beside, allowed, rounds }: Observed): Found {
  const frames = [...beside.values()].reduce((sum, count) => sum + count, 0);
  const kinds = frames === 0 ? "" : ` (${inWords(beside)})`;
  return found(
    frames === 0 && rounds > 0,
    `${frames} frames beside what is allowed${kinds}, ${allowed} allowed, in ${rounds} rounds`,
  );
}

/** What the sender sends. */
const sent = ["TCP", "UDP", "ICMP", "frame"].flatMap((what) => [`IPv4 ${what}`, `IPv6 ${what}`]);

/** Everything that was tried came out. */
export function everythingSeen({ beside, rounds }: Observed): Found {
  const missing = sent.filter((kind) => !beside.has(kind));
  const text = `seen in ${rounds} rounds: ${inWords(beside)}`;
  return found(
    missing.length === 0,
    missing.length === 0 ? text : `not seen: ${missing.join(", ")}; ${text}`,
  );
}

function inWords(kinds: ReadonlyMap<string, number>): string {
  return [...kinds]
    .sort()
    .map(([kind, count]) => `${kind} ${count}`)
    .join(", ");
}
