import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { DomainSet, type SetMatch } from "@atlantic/shared/blocking/domain-set.ts";
import { blocks } from "@atlantic/shared/blocking/list-rule.ts";
import type { NameReason, NameRule } from "@atlantic/shared/blocking/name-reason.ts";
import { TYPE } from "../wire/codes.ts";
import { buildAside } from "./build-aside.ts";
import { lineOfFile } from "./line-of-file.ts";
import type { ListContents, SetSource } from "./set-source.ts";

/** What the filter says of a name. */
export interface NameDecision {
  readonly verdict: NameReason["verdict"];
  readonly match: SetMatch | null;
}

export interface FilterList {
  readonly source: SetSource;
  readonly contents: ListContents;
  /** Queries and flows that it blocked since the program started. */
  readonly blocked: number;
}

const UNKNOWN: NameDecision = { verdict: "unknown", match: null };

/** Clients of DNS ask again after about as long. */
const BEGIN_MS = 5_000;

/** How many aliases are remembered, so that `why` can tell of them. */
const MAX_ALIASES = 4_096;

/** Says which names are blocked, by which rule. One for the resolver and the local proxy. */
export class NameFilter {
  readonly #key = { low: randomBytes(4).readUInt32LE(), high: randomBytes(4).readUInt32LE() };
  #set: DomainSet | null = null;
  #beginning: Promise<void> | null = null;
  #sources: readonly SetSource[] = [];
  #contents: readonly ListContents[] = [];
  readonly #blocked = new Map<string, number>();
  /** The way from a name to an alias of it that is blocked. */
  readonly #aliases = new Map<string, readonly string[]>();
  readonly #listeners = new Set<(set: DomainSet) => void>();
  #loading: Promise<unknown> = Promise.resolve();
  /** Called with every name that the region's policy blocks, where names are decided one by one. */
  onPolicy: ((name: string, source: string) => void) | null = null;

  /** While the first sources are being read: whoever asks about a name waits for that. Null before and after. */
  get beginning(): Promise<void> | null {
    return this.#beginning;
  }

  /** Names wait for these first sources, though not for ever; whether they come or not, names are decided then. */
  beginWith(loading: Promise<void>): void {
    const patience = new AbortController();
    const longEnough = setTimeout(BEGIN_MS, undefined, { signal: patience.signal, ref: false });
    this.#beginning = Promise.race([loading, longEnough])
      .catch(() => {})
      .finally(() => {
        this.#beginning = null;
        patience.abort();
      });
    longEnough.catch(() => {});
  }

  /**
   * Replaces all sources at once; until the new set is whole, the old one answers.
   * @throws Error when a file cannot be read: the old set stays
   */
  load(sources: readonly SetSource[]): Promise<void> {
    const loaded = this.#loading.catch(() => {}).then(() => this.#replace(sources));
    this.#loading = loaded;
    return loaded;
  }

  async #replace(sources: readonly SetSource[]): Promise<void> {
    const { parts, contents } = await buildAside(sources, this.#key);
    const set = new DomainSet(parts);
    this.#set = set;
    this.#sources = sources;
    this.#contents = contents;
    this.#aliases.clear();
    for (const listener of this.#listeners) listener(set);
  }

  /** Called with each new set, and now with the one that is there. */
  onSet(listener: (set: DomainSet) => void): () => void {
    this.#listeners.add(listener);
    if (this.#set) listener(this.#set);
    return () => this.#listeners.delete(listener);
  }

  /** @param name lower case, without the last full stop */
  decide(name: string, type: number = TYPE.A): NameDecision {
    const match = this.#set?.find(name, type);
    if (match === undefined) return UNKNOWN;
    return { verdict: blocks(match.rank) ? "blocked" : "allowed", match };
  }

  isPolicy({ match }: NameDecision): boolean {
    return this.#sources[match?.list ?? -1]?.by === "policy";
  }

  /** Counts a query or flow that was blocked. */
  count(name: string, { match }: NameDecision): void {
    const source = this.#sources[match?.list ?? -1];
    if (source === undefined) return;
    this.countBy(source.id, 1);
    if (source.by === "policy") this.onPolicy?.(name, source.id);
  }

  /** Counts what was blocked by one source where the names are not known. */
  countBy(id: string, more: number): void {
    this.#blocked.set(id, (this.#blocked.get(id) ?? 0) + more);
  }

  /** The id of the source at this place of the set. */
  idOf(list: number): string | undefined {
    return this.#sources[list]?.id;
  }

  lists(): FilterList[] {
    return this.#sources.map((source, index) => ({
      source,
      contents: this.#contents[index] ?? { rules: 0, notUnderstood: {} },
      blocked: this.#blocked.get(source.id) ?? 0,
    }));
  }

  blockedBy(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#blocked);
  }

  /** Remembers that a name leads to a blocked one. */
  leadsTo(name: string, through: readonly string[]): void {
    this.#aliases.delete(name);
    this.#aliases.set(name, through);
    const [oldest] = this.#aliases.keys();
    if (this.#aliases.size > MAX_ALIASES && oldest !== undefined) this.#aliases.delete(oldest);
  }

  why(name: string): NameReason {
    const own = this.decide(name);
    const through = own.verdict === "unknown" ? (this.#aliases.get(name) ?? []) : [];
    const decision = through.length > 0 ? this.decide(through.at(-1) ?? name) : own;
    const rule = decision.match && this.#ruleOf(decision.match);
    return {
      name,
      verdict: decision.verdict,
      rule,
      through,
      sentences: inSentences(name, decision.verdict, rule, through),
    };
  }

  #ruleOf({ list, line }: SetMatch): NameRule | null {
    const source = this.#sources[list];
    if (source === undefined) return null;
    const { by, id, rules } = source;
    const rule = ("lines" in rules ? rules.lines[line - 1] : lineOfFile(rules.file, line)) ?? "";
    return { by, source: id, rule, line: "lines" in rules ? 0 : line };
  }
}

function inSentences(
  name: string,
  verdict: NameReason["verdict"],
  rule: NameRule | null,
  through: readonly string[],
): string[] {
  if (rule === null) return [`No rule speaks of ${name}: it is answered.`];
  const way = through.length > 0 ? [`${name} is another name for ${through.join(", and that for ")}.`] : [];
  const end = verdict === "blocked" ? "so it is blocked" : "so it is answered";
  return [...way, `${speaker(rule)} says ${rule.rule}, ${end}.`];
}

function speaker({ by, source, line }: NameRule): string {
  switch (by) {
    case "list":
      return `The list ${source}, line ${line},`;
    case "user":
      return "Your own word";
    case "policy":
      return `The policy (${source})`;
    case "choice":
      return `The choice ${source}`;
  }
}
