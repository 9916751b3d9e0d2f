import type { DnrCondition, DnrRule } from "../rulesets/dnr-rule.ts";
import { EVERY_TYPE } from "../rulesets/resource-types.ts";
import { tokensOfExpression } from "./expressions/read-expression.ts";
import { NO_TOKEN, pageToken, tokenHash, tokensOfPattern } from "./url-tokens.ts";

/**
 * Rules about addresses as bytes that are read where a request needs them, so that a hundred thousand rules cost little
 * memory: a head (what it is, how many entries), the entries (token, place, length of a rule, sorted by token; 32 bits
 * each, as the machine writes them), and then the rules in JSON.
 */
const MAGIC = 0x61746c31;
const HEAD_WORDS = 2;
const ENTRY_WORDS = 3;
const WORD_BYTES = 4;
/** Words whose rules are kept in each of two generations; most have a few rules, or none. */
const MAX_KEPT = 128;

/** Writes rules as bytes for `RuleIndex`. */
export function indexRules(rules: readonly DnrRule[]): Uint8Array {
  const frequencies = new Map<string, number>();
  for (const rule of rules)
    for (const token of tokensOf(rule).flat()) frequencies.set(token, (frequencies.get(token) ?? 0) + 1);
  const encoder = new TextEncoder();
  const texts = rules.map((rule) => encoder.encode(JSON.stringify(shortened(rule))));
  const entries: [number, number, number][] = [];
  let place = 0;
  for (const [index, rule] of rules.entries()) {
    const length = texts[index]?.length ?? 0;
    for (const token of keysOf(rule, frequencies)) entries.push([token, place, length]);
    place += length;
  }
  entries.sort((a, b) => a[0] - b[0]);
  const words = Uint32Array.from([MAGIC, entries.length, ...entries.flat()]);
  const bytes = new Uint8Array(words.byteLength + place);
  bytes.set(new Uint8Array(words.buffer));
  let at = words.byteLength;
  for (const text of texts) {
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}

/**
 * The words that an address has which a rule is about: one list for each of the names it is about, or for each of the
 * pages' domains. An exception is for pages that nobody knows, too.
 */
function tokensOf({ action, condition }: DnrRule): (readonly string[])[] {
  const own = tokensOfAddress(condition);
  if (own.length > 0) return [own];
  const { requestDomains, initiatorDomains } = condition;
  if (requestDomains !== undefined) return requestDomains.map((name) => tokensOfPattern(`||${name}^`));
  if (action.type !== "block" || initiatorDomains === undefined) return [];
  return initiatorDomains.map((domain) => [pageToken(domain)]);
}

function tokensOfAddress({
  urlFilter,
  regexFilter,
  isUrlFilterCaseSensitive,
}: DnrCondition): readonly string[] {
  if (regexFilter !== undefined) return tokensOfExpression(regexFilter, isUrlFilterCaseSensitive);
  return tokensOfPattern(urlFilter ?? "");
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

/** Gives `length` bytes from `at` on; in front of the rules `at` is a multiple of four. */
export type ReadBytes = (at: number, length: number) => Uint8Array;

/** Rules that `indexRules` wrote. */
export class RuleIndex {
  readonly #readBytes: ReadBytes;
  readonly #decoder = new TextDecoder();
  readonly #entries: Uint32Array;
  readonly #textStart: number;
  /** Those that every request has to look at. */
  readonly #anywhere: readonly DnrRule[];
  /** The rules under the words that were asked for last, and before: most addresses share some. */
  #kept = new Map<number, readonly DnrRule[]>();
  #keptBefore: ReadonlyMap<number, readonly DnrRule[]> = new Map();

  private constructor(readBytes: ReadBytes, entries: Uint32Array) {
    this.#readBytes = readBytes;
    this.#entries = entries;
    this.#textStart = HEAD_WORDS * WORD_BYTES + entries.byteLength;
    this.#anywhere = this.#read(NO_TOKEN);
  }

  /**
   * @param size how many bytes there are
   * @returns undefined when they are no index
   */
  static open(readBytes: ReadBytes, size: number): RuleIndex | undefined {
    if (size < HEAD_WORDS * WORD_BYTES) return undefined;
    const [magic, count = 0] = wordsOf(readBytes(0, HEAD_WORDS * WORD_BYTES));
    const length = count * ENTRY_WORDS * WORD_BYTES;
    if (magic !== MAGIC || HEAD_WORDS * WORD_BYTES + length > size) return undefined;
    return new RuleIndex(readBytes, wordsOf(readBytes(HEAD_WORDS * WORD_BYTES, length)));
  }

  /** Shows the rules that may be about a request with these words of its address and its page. */
  forEach(tokens: readonly number[], see: (rule: DnrRule) => void): void {
    for (const rule of this.#anywhere) see(rule);
    for (const token of tokens) for (const rule of this.#under(token)) see(rule);
  }

  #under(token: number): readonly DnrRule[] {
    const kept = this.#kept.get(token);
    if (kept !== undefined) return kept;
    const rules = this.#keptBefore.get(token) ?? this.#read(token);
    if (this.#kept.size >= MAX_KEPT) {
      this.#keptBefore = this.#kept;
      this.#kept = new Map();
    }
    this.#kept.set(token, rules);
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
    const length = this.#entries[index * ENTRY_WORDS + 2] ?? 0;
    const text = this.#decoder.decode(this.#readBytes(this.#textStart + place, length));
    // What our own program wrote.
    return lengthened(JSON.parse(text) as ShortRule);
  }
}

/** In place of its action a rule that blocks requests of every type has 0, and one that blocks pages 1; it names no types then. */
type ShortRule = readonly [DnrRule["action"]["type"] | 0 | 1, number, DnrRule["condition"]];

function shortened({ action, priority, condition }: DnrRule): ShortRule {
  const { resourceTypes = [], ...others } = condition;
  if (action.type === "block" && resourceTypes.length === EVERY_TYPE.length) return [0, priority, others];
  if (action.type === "block" && resourceTypes.join() === "main_frame") return [1, priority, others];
  return [action.type, priority, condition];
}

function lengthened([type, priority, condition]: ShortRule): DnrRule {
  if (typeof type === "string") return { action: { type }, priority, condition };
  const resourceTypes = type === 0 ? [...EVERY_TYPE] : (["main_frame"] as const).slice();
  return { action: { type: "block" }, priority, condition: { ...condition, resourceTypes } };
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength / WORD_BYTES);
}
