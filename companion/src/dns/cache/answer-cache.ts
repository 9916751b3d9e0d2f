import { type Answer, timeToLive } from "../wire/answer.ts";

export interface CachedAnswer {
  readonly answer: Answer;
  /** When it was received, by the clock that the cache was given, in milliseconds. */
  readonly at: number;
  /** Seconds from then for which it holds. */
  readonly ttl: number;
  /** How often it was used. */
  uses: number;
}

export type Found =
  | {
      readonly kind: "fresh";
      readonly entry: CachedAnswer;
      readonly age: number /** Used, and soon over. */;
      readonly ageing: boolean;
    }
  /** It has run out, and may still be better than nothing (RFC 8767). */
  | { readonly kind: "stale"; readonly entry: CachedAnswer };

/** How long an answer is kept after it has run out (RFC 8767, 5). */
const STALE_MS = 86_400_000;
/** The last part of its time in which an answer that is used is asked for again. */
const AGEING_PART = 0.1;

/** Answers by question, the least recently used ones leaving first. */
export class AnswerCache {
  readonly #entries = new Map<string, CachedAnswer>();
  readonly #now: () => number;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(options: {
    readonly now: () => number;
    readonly maxEntries?: number;
    readonly maxBytes?: number;
  }) {
    this.#now = options.now;
    this.#maxEntries = options.maxEntries ?? 20_000;
    this.#maxBytes = options.maxBytes ?? 16 << 20;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(key: string): Found | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const elapsed = this.#now() - entry.at;
    const left = entry.ttl * 1_000 - elapsed;
    if (left <= -STALE_MS) {
      this.#remove(key, entry);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (left <= 0) return { kind: "stale", entry };
    entry.uses++;
    const ageing = entry.uses > 1 && left < entry.ttl * 1_000 * AGEING_PART;
    return { kind: "fresh", entry, age: Math.floor(elapsed / 1_000), ageing };
  }

  /** Keeps an answer, unless it may not be kept: then what was known before is forgotten too. */
  put(key: string, answer: Answer): CachedAnswer | undefined {
    const ttl = timeToLive(answer);
    const held = this.#entries.get(key);
    if (held) this.#remove(key, held);
    if (ttl === 0 || answer.message.length > this.#maxBytes) return undefined;
    const entry: CachedAnswer = { answer, at: this.#now(), ttl, uses: 0 };
    this.#entries.set(key, entry);
    this.#bytes += answer.message.length;
    this.#shrink();
    return entry;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return;
      this.#remove(key, entry);
    }
  }

  #remove(key: string, entry: CachedAnswer): void {
    this.#entries.delete(key);
    this.#bytes -= entry.answer.message.length;
  }
}
