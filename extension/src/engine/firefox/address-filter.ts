import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { blockingRule, type EachRule } from "@atlantic/shared/blocking/urls/blocking-rule.ts";
import { RuleIndex } from "@atlantic/shared/blocking/urls/rule-index.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { filterRules } from "../filter-rules.ts";
import { pagesAround, requestFacts, type SeenRequest } from "./request-facts.ts";

/** How long requests wait for the first rules after the background has started. */
const BEGIN_MS = 2_000;

/**
 * The rules about addresses, which Firefox's own filter is too slow for: it looks at every rule for every request. Names
 * are left to that filter, which holds while this background sleeps, too.
 */
export class AddressFilter {
  readonly #read: (list: BuiltInList) => Promise<ArrayBuffer>;
  #indexes: ReadonlyMap<BuiltInList, RuleIndex> = new Map();
  #words: readonly DnrRule[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #beginning: Promise<void> | null = null;

  /** @param read gives the built rules of a list */
  constructor(read: (list: BuiltInList) => Promise<ArrayBuffer>) {
    this.#read = read;
  }

  /** While the first rules are on their way: requests wait for that, though not for long. Null before and after. */
  get beginning(): Promise<void> | null {
    return this.#beginning;
  }

  /** @param started when it is known what is to be filtered first: `set` was called, if there is anything */
  beginWith(started: Promise<unknown>): void {
    const longEnough = new Promise((resolve) => setTimeout(resolve, BEGIN_MS));
    this.#beginning = Promise.race([started.then(() => this.#last), longEnough])
      .catch(() => {})
      .then(() => {
        this.#beginning = null;
      });
  }

  /**
   * One after the other, so that the last stays; until the rules of its lists are there, those before them hold.
   * @throws Error when the rules cannot be read
   */
  set(filter: BrowserFilter): Promise<void> {
    const done = this.#last.then(() => this.#apply(filter));
    this.#last = done.catch(() => {});
    return done;
  }

  blocks(seen: SeenRequest): boolean {
    if (this.#indexes.size === 0) return false;
    return blockingRule(this.#each, requestFacts(seen), () => pagesAround(seen)) !== undefined;
  }

  async #apply(filter: BrowserFilter): Promise<void> {
    // The person's words hold at once, and where the rules cannot be read.
    this.#words = readRules(filterRules(filter));
    const lists = filter.isOn ? filter.lists : [];
    const opened = lists.map(
      async (list) => [list, this.#indexes.get(list) ?? (await this.#open(list))] as const,
    );
    this.#indexes = new Map(await Promise.all(opened));
  }

  async #open(list: BuiltInList): Promise<RuleIndex> {
    const bytes = await this.#read(list);
    const index = RuleIndex.open((at, length) => new Uint8Array(bytes, at, length), bytes.byteLength);
    if (index === undefined) throw new Error(damaged(list));
    return index;
  }

  readonly #each: EachRule<BuiltInList | "person"> = (tokens, see) => {
    for (const rule of this.#words) see(rule, "person");
    for (const [list, index] of this.#indexes) index.forEach(tokens, (rule) => see(rule, list));
  };
}

function damaged(list: BuiltInList): string {
  return `The filter rules about addresses of the list ${list} are damaged, so only names are blocked. Install the extension anew.`;
}
