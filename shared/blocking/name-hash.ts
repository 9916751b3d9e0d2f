/**
 * A keyed hash of 64 bits over a name read backwards, so that every parent of a name is met on the way: after `com`,
 * after `example.com`, and so on. native/dns/src/hash.rs computes the same.
 *
 * The key keeps whoever writes a list from choosing names that collide with others; with a million names an unlisted one
 * is taken for a listed one once in 2^44 look-ups.
 */
export interface HashKey {
  readonly low: number;
  readonly high: number;
}

const LOW_PRIME = 0x85ebca6b;
const HIGH_PRIME = 0xc2b2ae35;
const DOT = 46;

/** Calls back with both halves of the hash of each suffix of whole labels, the shortest first, and where it starts. */
export function hashSuffixes(
  name: string,
  key: HashKey,
  each: (low: number, high: number, start: number) => void,
): void {
  let low = key.low | 0;
  let high = key.high | 0;
  for (let at = name.length - 1; at >= 0; at--) {
    const byte = name.charCodeAt(at);
    if (byte === DOT) each(finish(low), finish(high ^ low), at + 1);
    low = Math.imul(low ^ byte, LOW_PRIME);
    low = (low << 13) | (low >>> 19);
    high = Math.imul(high + byte, HIGH_PRIME);
    high ^= high >>> 15;
  }
  each(finish(low), finish(high ^ low), 0);
}

/** Hash of the whole name. */
export function hashName(name: string, key: HashKey): readonly [low: number, high: number] {
  let whole: [number, number] = [0, 0];
  hashSuffixes(name, key, (low, high) => {
    whole = [low, high];
  });
  return whole;
}

/** MurmurHash3's last step: every bit of the state changes every bit of the result. */
function finish(state: number): number {
  let mixed = state ^ (state >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
