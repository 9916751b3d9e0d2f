import { closeSync, fstatSync, openSync, readSync, renameSync, writeFileSync } from "node:fs";
import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { EVERY_TYPE } from "@atlantic/shared/blocking/rulesets/resource-types.ts";
import { NO_TOKEN, tokenHash, tokensOfPattern } from "@atlantic/shared/blocking/urls/url-tokens.ts";

/**
 * Rules about addresses in a file that is read where a request needs it, so that a hundred thousand rules cost little
 * memory: a head (what it is, how many entries), the entries (token, place, length of a rule, sorted by token; 32 bits
 * each, as the machine writes them), and then the rules in JSON.
 */
const MAGIC = 0x61746c31;
const HEAD_WORDS = 2;
const ENTRY_WORDS = 3;
const WORD_BYTES = 4;
/** A word has a few rules, or none. */
const MAX_KEPT = 256;

/** Writes beside and renames, so that whoever has it open keeps the old one whole. */
export function writeRuleFile(path: string, rules: readonly DnrRule[]): void {
  const frequencies = new Map<string, number>();
  for (const rule of rules)
    for (const token of tokensOf(rule).flat()) frequencies.set(token, (frequencies.get(token) ?? 0) + 1);
  const texts = rules.map((rule) => Buffer.from(JSON.stringify(shortened(rule))));
  const entries: [number, number, number][] = [];
  let place = 0;
  for (const [index, rule] of rules.entries()) {
    const length = texts[index]?.length ?? 0;
    for (const token of keysOf(rule, frequencies)) entries.push([token, place, length]);
    place += length;
  }
  entries.sort((a, b) => a[0] - b[0]);
  const head = Uint32Array.of(MAGIC, entries.length);
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, Buffer.concat([bytesOf(head), bytesOf(Uint32Array.from(entries.flat())), ...texts]));
  renameSync(beside, path);
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** The words that an address has which a rule is about: one list for each of the names it is about. */
function tokensOf({ condition }: DnrRule): string[][] {
  const own = tokensOfPattern(condition.urlFilter ?? "");
  if (own.length > 0) return [own];
  return condition.requestDomains?.map((name) => tokensOfPattern(`||${name}^`)) ?? [];
}

/** Where the rule is looked for: under its rarest word. */
function keysOf(rule: DnrRule, frequencies: ReadonlyMap<string, number>): Set<number> {
  const rarest = (tokens: readonly string[]) =>
    tokens.toSorted((a, b) => (frequencies.get(a) ?? 0) - (frequencies.get(b) ?? 0))[0];
  const keys = tokensOf(rule).map((tokens) => {
    const token = rarest(tokens);
    return token === undefined ? NO_TOKEN : tokenHash(token);
  });
  return new Set(keys.length > 0 ? keys : [NO_TOKEN]);
}

/** An open file of rules. */
export class RuleFile {
  readonly #fd: number;
  readonly #entries: Uint32Array;
  readonly #textStart: number;
  /** Those that every request has to look at. */
  readonly #anywhere: readonly DnrRule[];
  /** The rules under the words that were asked for last, the oldest first: most addresses share some. */
  readonly #kept = new Map<number, readonly DnrRule[]>();

  private constructor(fd: number, entries: Uint32Array) {
    this.#fd = fd;
    this.#entries = entries;
    this.#textStart = HEAD_WORDS * WORD_BYTES + entries.byteLength;
    this.#anywhere = this.#read(NO_TOKEN);
  }

  /** @returns undefined when it is not there, or is none */
  static open(path: string): RuleFile | undefined {
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch {
      return undefined;
    }
    const [magic, count = 0] = readWords(fd, 0, HEAD_WORDS);
    const size = (HEAD_WORDS + count * ENTRY_WORDS) * WORD_BYTES;
    if (magic === MAGIC && size <= fstatSync(fd).size)
      return new RuleFile(fd, readWords(fd, HEAD_WORDS * WORD_BYTES, count * ENTRY_WORDS));
    closeSync(fd);
    return undefined;
  }

  /** Shows the rules that may be about an address with these words. */
  forEach(tokens: readonly number[], see: (rule: DnrRule) => void): void {
    for (const rule of this.#anywhere) see(rule);
    for (const token of tokens) for (const rule of this.#under(token)) see(rule);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #under(token: number): readonly DnrRule[] {
    const rules = this.#kept.get(token) ?? this.#read(token);
    this.#kept.delete(token);
    this.#kept.set(token, rules);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return rules;
  }

  #read(token: number): DnrRule[] {
    const rules: DnrRule[] = [];
    for (let index = this.#first(token); this.#entries[index * ENTRY_WORDS] === token; index++)
      rules.push(this.#readEntry(index));
    return rules;
  }

  #first(token: number): number {
    let low = 0;
    let high = this.#entries.length / ENTRY_WORDS;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle * ENTRY_WORDS] ?? 0) < token) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #readEntry(index: number): DnrRule {
    const place = this.#entries[index * ENTRY_WORDS + 1] ?? 0;
    const bytes = Buffer.alloc(this.#entries[index * ENTRY_WORDS + 2] ?? 0);
    readSync(this.#fd, bytes, 0, bytes.length, this.#textStart + place);
    // What our own program wrote.
    return lengthened(JSON.parse(bytes.toString("utf8")) as ShortRule);
  }
}

/** A rule for requests of every type names none, and 0 in place of its action. */
type ShortRule = readonly [DnrRule["action"]["type"] | 0, number, DnrRule["condition"]];

function shortened({ action, priority, condition }: DnrRule): ShortRule {
  const { resourceTypes, ...others } = condition;
  const isForAll = action.type === "block" && resourceTypes?.length === EVERY_TYPE.length;
  return isForAll ? [0, priority, others] : [action.type, priority, condition];
}

function lengthened([type, priority, condition]: ShortRule): DnrRule {
  if (type !== 0) return { action: { type }, priority, condition };
  return { action: { type: "block" }, priority, condition: { ...condition, resourceTypes: [...EVERY_TYPE] } };
}

function readWords(fd: number, at: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  const bytes = bytesOf(words);
  for (let read = 0; read < bytes.length; ) {
    const size = readSync(fd, bytes, read, bytes.length - read, at + read);
    if (size === 0) break;
    read += size;
  }
  return words;
}
