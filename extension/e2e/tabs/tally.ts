import type { Place, Seen } from "./origins.ts";

/** What became of the requests of one scenario. */
export interface Tally {
  /** Requests that reached a site. */
  readonly requests: number;
  readonly right: number;
  /** Requests that left by another way than their tab's. */
  readonly misrouted: number;
  /** What pages wanted and did not get. */
  readonly broken: number;
}

/** Keeps which letter belongs where, and what pages could not load. */
export class Scorer {
  readonly #parts: Scorer[] = [];
  readonly #places = new Map<string, Place>();
  readonly #broken: string[] = [];
  readonly #from: number;
  readonly #seen: readonly Seen[];

  /** Scores what the sites see from now on. */
  constructor(seen: readonly Seen[]) {
    this.#seen = seen;
    this.#from = seen.length;
  }

  /** Every request with this letter must come from this place. */
  expect(letter: string, place: Place): void {
    this.#places.set(letter, place);
  }

  isBroken(what: string): void {
    this.#broken.push(what);
  }

  /** Counts what the other scorer counts, too. */
  join(other: Scorer): void {
    this.#parts.push(other);
  }

  /** Requests that came with a letter of this scenario. */
  seen(): readonly Seen[] {
    return [...this.#own(), ...this.#parts.flatMap((part) => part.seen())];
  }

  misrouted(): readonly Seen[] {
    const own = this.#own().filter(
      (one) => one.place !== this.#places.get(one.letter) || one.leaked.length > 0,
    );
    return [...own, ...this.#parts.flatMap((part) => part.misrouted())];
  }

  broken(): readonly string[] {
    return [...this.#broken, ...this.#parts.flatMap((part) => part.broken())];
  }

  #own(): readonly Seen[] {
    return this.#seen.slice(this.#from).filter(({ letter }) => this.#places.has(letter));
  }

  tally(): Tally {
    const requests = this.seen().length;
    const misrouted = this.misrouted().length;
    return { requests, right: requests - misrouted, misrouted, broken: this.broken().length };
  }
}

export function sum(tallies: readonly Tally[]): Tally {
  const total = (of: (tally: Tally) => number) => tallies.reduce((before, tally) => before + of(tally), 0);
  return {
    requests: total((tally) => tally.requests),
    right: total((tally) => tally.right),
    misrouted: total((tally) => tally.misrouted),
    broken: total((tally) => tally.broken),
  };
}
