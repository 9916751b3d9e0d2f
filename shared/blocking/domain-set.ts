import { blocks, type ListRule, RANK, type Rank, type RuleCondition } from "./list-rule.ts";
import { type HashKey, hashName, hashSuffixes } from "./name-hash.ts";
import { matchesPattern } from "./name-pattern.ts";

/**
 * A set of names as one table of bytes, which native/dns/src/set.rs reads as it is (little-endian 32-bit words):
 * a header of 16 words (magic, version, capacity, count, both halves of the key, the heaviest rank of the conditions that
 * hold anywhere), then four words a slot: both halves of the hash, the line or the condition, and `meta`.
 * Open addressing, at most four of five slots taken. 20 bytes a name, and no text: the list's own file holds that.
 */
export const TABLE_MAGIC = 0x53444c41;
export const TABLE_VERSION = 1;
export const HEADER_WORDS = 16;
const SLOT_WORDS = 4;

/** The parts of a slot's fourth word. 0 means that the slot is empty: no rule has rank 0. */
const LIST_MASK = 0xff;
const RANK_SHIFT = 8;
const RANK_MASK = 0xf;
const SELF = 1 << 12;
const BELOW = 1 << 13;
/** The third word is the place of a condition, and that holds the line. */
const CONDITIONAL = 1 << 14;

/** What the set knows of a name. */
export interface SetMatch {
  /** Which list, by its place among them. */
  readonly list: number;
  /** From 1. */
  readonly line: number;
  readonly rank: Rank;
}

interface Condition extends SetMatch {
  readonly condition: RuleCondition;
  readonly name: string;
  readonly self: boolean;
  readonly below: boolean;
}

/** The most lists that one set can hold. */
export const MAX_LISTS = LIST_MASK + 1;

/** What a set is made of: plain data, which can be sent from thread to thread. */
export interface SetParts {
  readonly table: Uint32Array;
  readonly conditions: readonly Condition[];
  /** Conditions that can hold for any name, because their pattern has no whole labels at its end. */
  readonly anywhere: readonly Condition[];
}

/** Collects rules, and makes the set of them. */
export class DomainSetBuilder {
  readonly #key: HashKey;
  #words = new Uint32Array(4_096 * SLOT_WORDS);
  #count = 0;
  readonly #conditions: Condition[] = [];
  /** Conditions that can hold for any name, because their pattern has no whole labels at its end. */
  readonly #anywhere: Condition[] = [];

  /** @param key two random words; the same for every set of a process is well enough */
  constructor(key: HashKey) {
    this.#key = key;
  }

  /** @throws RangeError when there are too many lists */
  add(rule: ListRule, list: number, line: number, rank: Rank = rankOf(rule)): void {
    if (list >= MAX_LISTS) throw new RangeError(`There can be ${MAX_LISTS} lists at most.`);
    const { name, self, below, condition } = rule;
    const meta = list | (rank << RANK_SHIFT) | (self ? SELF : 0) | (below ? BELOW : 0);
    if (condition === null) {
      this.#push(name, line, meta);
      return;
    }
    const known: Condition = { list, line, rank, condition, name, self, below };
    if (name === "") {
      this.#anywhere.push(known);
      return;
    }
    this.#push(name, this.#conditions.push(known) - 1, meta | CONDITIONAL);
  }

  #push(name: string, third: number, meta: number): void {
    const at = this.#count * SLOT_WORDS;
    if (at === this.#words.length) {
      // Moves the bytes where it can, so that the old ones do not wait for the garbage collector.
      this.#words = new Uint32Array(this.#words.buffer.transfer(this.#words.byteLength * 2));
    }
    const [low, high] = hashName(name, this.#key);
    this.#words[at] = low;
    this.#words[at + 1] = high;
    this.#words[at + 2] = third;
    this.#words[at + 3] = meta;
    this.#count++;
  }

  /** All that was added, as a set's parts; nothing can be added any more. */
  build(): SetParts {
    const capacity = Math.max(8, Math.ceil(this.#count / 0.8));
    const table = new Uint32Array(HEADER_WORDS + capacity * SLOT_WORDS);
    let taken = 0;
    for (let entry = 0; entry < this.#count; entry++) {
      const from = entry * SLOT_WORDS;
      if (insert(table, capacity, this.#words.subarray(from, from + SLOT_WORDS))) taken++;
    }
    this.#words.buffer.transfer(0);
    const allowedAnywhere = this.#anywhere.map(({ rank }) => rank).filter((rank) => !blocks(rank));
    const heaviest = Math.max(0, ...allowedAnywhere);
    table.set([TABLE_MAGIC, TABLE_VERSION, capacity, taken, this.#key.low, this.#key.high, heaviest]);
    return { table, conditions: this.#conditions, anywhere: this.#anywhere };
  }
}

/** @returns whether it was not there already */
function insert(table: Uint32Array, capacity: number, entry: Uint32Array): boolean {
  const [low = 0, high = 0, third = 0, meta = 0] = entry;
  for (let slot = low % capacity; ; slot = slot + 1 === capacity ? 0 : slot + 1) {
    const at = HEADER_WORDS + slot * SLOT_WORDS;
    const held = table[at + 3] ?? 0;
    if (held === 0) {
      table[at] = low;
      table[at + 1] = high;
      table[at + 2] = third;
      table[at + 3] = meta;
      return true;
    }
    const isSame = table[at] === low && table[at + 1] === high && sameSense(held, meta);
    if (isSame) return false;
  }
}

/** Whether a second list says what the first one said, unconditionally. */
function sameSense(held: number, meta: number): boolean {
  return ((held | meta) & CONDITIONAL) === 0 && (held & ~LIST_MASK) === (meta & ~LIST_MASK);
}

/** The rank of a list's rule. */
export function rankOf({ allow, important }: Pick<ListRule, "allow" | "important">): Rank {
  if (important) return allow ? RANK.importantAllow : RANK.importantBlock;
  return allow ? RANK.allow : RANK.block;
}

/** Names that are blocked or allowed, by which line of which list. */
export class DomainSet {
  /** What native/dns reads. */
  readonly table: Uint32Array;
  readonly #conditions: readonly Condition[];
  /** Of the conditions that can hold anywhere those that need a whole label, by the label: a list may have many. */
  readonly #byLabel: ReadonlyMap<string, readonly Condition[]>;
  readonly #others: readonly Condition[];
  readonly #anywhereCount: number;
  readonly #capacity: number;
  readonly #key: HashKey;

  constructor({ table, conditions, anywhere }: SetParts) {
    this.table = table;
    this.#conditions = conditions;
    const byLabel = Map.groupBy(anywhere, neededLabel);
    this.#others = byLabel.get("") ?? [];
    byLabel.delete("");
    this.#byLabel = byLabel;
    this.#anywhereCount = anywhere.length;
    this.#capacity = table[2] ?? 0;
    this.#key = { low: table[4] ?? 0, high: table[5] ?? 0 };
  }

  /** How many names it holds, conditional ones with them. */
  get size(): number {
    return (this.table[3] ?? 0) + this.#anywhereCount;
  }

  /**
   * The heaviest rule that speaks of a name and a type of DNS record.
   * @param name lower case, without the last full stop
   */
  find(name: string, type: number): SetMatch | undefined {
    let best: SetMatch | undefined;
    const consider = (match: SetMatch): void => {
      if (best === undefined || match.rank > best.rank) best = match;
    };
    hashSuffixes(name, this.#key, (low, high, start) =>
      this.#findAt(name, type, [low, high, start], consider),
    );
    const seek = (condition: Condition) => {
      if (holds(condition.condition, name, type)) consider(condition);
    };
    this.#others.forEach(seek);
    if (this.#byLabel.size > 0) for (const label of name.split(".")) this.#byLabel.get(label)?.forEach(seek);
    return best && { list: best.list, line: best.line, rank: best.rank };
  }

  #findAt(
    name: string,
    type: number,
    [low, high, start]: readonly [number, number, number],
    consider: (match: SetMatch) => void,
  ): void {
    const wanted = start === 0 ? SELF : BELOW;
    const { table } = this;
    for (let slot = low % this.#capacity; ; slot = slot + 1 === this.#capacity ? 0 : slot + 1) {
      const at = HEADER_WORDS + slot * SLOT_WORDS;
      const meta = table[at + 3] ?? 0;
      if (meta === 0) return;
      if (table[at] !== low || table[at + 1] !== high || (meta & wanted) === 0) continue;
      const third = table[at + 2] ?? 0;
      if ((meta & CONDITIONAL) === 0) {
        consider({ list: meta & LIST_MASK, line: third, rank: ((meta >> RANK_SHIFT) & RANK_MASK) as Rank });
        continue;
      }
      const condition = this.#conditions[third];
      if (condition && holds(condition.condition, name, type)) consider(condition);
    }
  }
}

/** The first label of a pattern where it stands whole in every name that matches; "" where none does. */
function neededLabel({ condition: { pattern } }: Condition): string {
  if (pattern === null || pattern.start === "anywhere") return "";
  const [first = ""] = pattern.parts;
  return first.slice(0, Math.max(0, first.indexOf(".")));
}

function holds({ pattern, types, except }: RuleCondition, name: string, type: number): boolean {
  if (types !== null && types.numbers.includes(type) !== types.meant) return false;
  if (except.some((other) => name === other || name.endsWith(`.${other}`))) return false;
  return pattern === null || matchesPattern(pattern, name);
}
