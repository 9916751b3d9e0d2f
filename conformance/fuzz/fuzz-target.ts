import type { Random } from "./random.ts";

/** A reader of what comes from outside, and what must hold of it whatever it is given. */
export interface FuzzTarget {
  readonly name: string;
  /** Its part of a run. */
  readonly weight: number;
  /** Makes an input. */
  input(random: Random): Buffer;
  /** Gives the input to the reader. @throws FuzzFailure when something does not hold; any other error is a failure too */
  check(input: Buffer, random: Random): void;
}

/** Something that must hold of a reader does not. */
export class FuzzFailure extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = "FuzzFailure";
  }
}

/** @throws FuzzFailure when the condition does not hold */
export function holds(condition: boolean, sentence: string | (() => string)): asserts condition {
  if (!condition) throw new FuzzFailure(typeof sentence === "string" ? sentence : sentence());
}

/** @throws FuzzFailure when the two differ, as JSON */
export function same(one: unknown, other: unknown, what: string): void {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new FuzzFailure(`${what}: ${a} and ${b}`);
}

/** Bytes of Latin-1 text, as corpora are written. */
export function bytesOf(...texts: readonly [string, ...string[]]): [Buffer, ...Buffer[]] {
  return texts.map((text) => Buffer.from(text, "latin1")) as [Buffer, ...Buffer[]];
}
