import type { Random } from "./random.ts";

const MAX_BYTES = 4_096;

/** Pieces that readers of every kind may stumble over. */
const hostile: readonly [Buffer, ...Buffer[]] = [
  "\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ":",
  "\xa0",
  "\x0b",
  "\x85",
  "\xff",
  "-",
  ",",
  ";",
  '"',
  "%00",
  "0",
  "-1",
  "4294967296",
  "18446744073709551616",
  "9007199254740993",
  "\r\n\r\n",
].map((text) => Buffer.from(text, "latin1")) as [Buffer, ...Buffer[]];

/**
 * An input made of the corpus: whole pieces of it put together and damaged in up to a few places.
 * @param tokens pieces that mean something to the reader
 */
export function mutated(
  random: Random,
  corpus: readonly [Buffer, ...Buffer[]],
  tokens: readonly [Buffer, ...Buffer[]],
): Buffer {
  let bytes = random.pick(corpus);
  for (let count = random.below(5); count > 0; count -= 1) bytes = damaged(random, bytes, corpus, tokens);
  return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
}

function damaged(
  random: Random,
  bytes: Buffer,
  corpus: readonly [Buffer, ...Buffer[]],
  tokens: readonly [Buffer, ...Buffer[]],
): Buffer {
  const at = random.below(bytes.length + 1);
  const to = at + random.below(Math.min(24, bytes.length - at) + 1);
  switch (random.below(8)) {
    case 0:
      return replaced(bytes, at, at, random.pick(tokens));
    case 1:
      return replaced(bytes, at, to, random.pick(tokens));
    case 2:
      return replaced(bytes, at, at, random.pick(hostile));
    case 3:
      return replaced(bytes, at, to, Buffer.alloc(0));
    case 4:
      return replaced(bytes, at, at, bytes.subarray(at, to));
    case 5: {
      const other = random.pick(corpus);
      return replaced(bytes, at, bytes.length, other.subarray(random.below(other.length)));
    }
    case 6: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = random.below(256);
      return changed;
    }
    default: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      return changed;
    }
  }
}

function replaced(bytes: Buffer, from: number, to: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(to)]);
}
