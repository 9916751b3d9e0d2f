import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUILT_IN_LISTS, type BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { listName } from "@atlantic/shared/blocking/list-name.ts";
import { RANK } from "@atlantic/shared/blocking/list-rule.ts";
import { ClearError } from "../../clear-error.ts";
import type { DialTarget } from "../../upstream/dialing-agent.ts";
import type { PolicyInForce } from "../compliance/policy-in-force.ts";
import type { NameFilter } from "../filter/name-filter.ts";
import { type SetSource, wholeName } from "../filter/set-source.ts";
import { BUILT_IN_TITLES, builtInPath, isBuiltIn } from "./built-in-lists.ts";
import { fetchList } from "./fetch-list.ts";
import { DOH_SERVERS, FIREFOX_CANARY, PRIVATE_RELAYS } from "./known-endpoints.ts";
import { idOf, type ListState, readListState, type Subscription, writeListState } from "./list-state.ts";

export interface FilterListsOptions {
  /** Where the state and the subscribed lists are kept. */
  readonly directory: string;
  readonly filter: NameFilter;
  readonly dial: DialTarget;
  /** False: nothing is loaded, whatever is chosen. */
  readonly filtering?: boolean;
  /** The region's policy; null when nobody chose one. */
  readonly policy: () => PolicyInForce | null;
  readonly now?: () => number;
}

export interface UpdateOutcome {
  readonly id: string;
  readonly outcome: "new" | "unchanged" | "failed";
  readonly problem: string | null;
}

/** What is filtered: kept on disk, loaded into the filter, changed by the person, updated from the net. */
export class FilterLists {
  readonly #options: FilterListsOptions;
  readonly #statePath: string;
  readonly #now: () => number;
  #state: ListState;

  /** @throws ClearError when what was kept cannot be read */
  constructor(options: FilterListsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#statePath = join(options.directory, "lists.json");
    this.#state = readListState(this.#statePath);
  }

  get state(): ListState {
    return this.#state;
  }

  /** The lists that come with the program and are in use: the policy's word first, then the person's. */
  builtIn(): BuiltInList[] {
    const policy = this.#options.policy();
    return BUILT_IN_LISTS.filter((id) => policy?.wants(id) ?? !this.#state.off.includes(id));
  }

  /** Reads all lists into the filter. */
  load(): Promise<void> {
    return this.#options.filter.load(this.#sources());
  }

  /** @throws ClearError when the address is none, or subscribed already, or the list does not come */
  async add(url: string, pinned: string | null = null): Promise<UpdateOutcome> {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new ClearError(`"${url}" is no address of a list: give one that begins with https://.`);
    }
    const id = idOf(url);
    if (isBuiltIn(id) || this.#state.subscriptions.some((known) => known.id === id || known.url === url)) {
      throw new ClearError(`The list ${id} is there already.`);
    }
    const subscription: Subscription = {
      id,
      url,
      pinned,
      enabled: true,
      etag: null,
      sha256: null,
      checkedAt: null,
      changedAt: null,
      problem: null,
    };
    const fetched = await this.#fetch(subscription);
    if (fetched.problem !== null) throw new ClearError(fetched.problem);
    this.#change({ subscriptions: [...this.#state.subscriptions, fetched] });
    await this.load();
    return { id, outcome: "new", problem: null };
  }

  /** Removes a subscription, or switches a built-in list off. @throws ClearError when there is no such list */
  async remove(id: string): Promise<void> {
    if (isBuiltIn(id)) this.#change({ off: [...new Set([...this.#state.off, id])] });
    else {
      const kept = this.#state.subscriptions.filter((known) => known.id !== id);
      if (kept.length === this.#state.subscriptions.length) throw new ClearError(`There is no list ${id}.`);
      this.#change({ subscriptions: kept });
      rmSync(this.#pathOf(id), { force: true });
    }
    await this.load();
  }

  /** Switches a built-in list on again. */
  async restore(id: string): Promise<void> {
    this.#change({ off: this.#state.off.filter((known) => known !== id) });
    await this.load();
  }

  /** Asks for newer versions of all subscriptions; what fails keeps its last good one. */
  async update(): Promise<UpdateOutcome[]> {
    const outcomes: UpdateOutcome[] = [];
    for (const { id } of this.#state.subscriptions) {
      const before = this.#state.subscriptions.find((known) => known.id === id);
      if (before === undefined) continue;
      const after = await this.#fetch(before);
      this.#change({
        subscriptions: this.#state.subscriptions.map((known) => (known.id === id ? after : known)),
      });
      const outcome =
        after.problem !== null ? "failed" : after.sha256 !== before.sha256 ? "new" : "unchanged";
      outcomes.push({ id, outcome, problem: after.problem });
    }
    if (outcomes.some(({ outcome }) => outcome === "new")) await this.load();
    return outcomes;
  }

  /** The person's own word on a name and all below it; null takes it back. @throws ClearError when it is no name */
  async say(text: string, word: "allow" | "block" | null): Promise<string> {
    const name = listName(text);
    if (name === undefined) throw new ClearError(`"${text}" is no name: give one as in ads.example.com.`);
    const without = (names: readonly string[]): string[] => names.filter((known) => known !== name);
    const allowed = without(this.#state.allowed);
    const blocked = without(this.#state.blocked);
    if (word === "allow") allowed.push(name);
    if (word === "block") blocked.push(name);
    this.#change({ allowed, blocked });
    await this.load();
    return name;
  }

  /** Whether ads are blocked on a site: on its pages, and for its own names. @throws ClearError when it is no name */
  async setFiltered(text: string, filtered: boolean): Promise<void> {
    const site = listName(text);
    if (site === undefined) throw new ClearError(`"${text}" is no site.`);
    const others = this.#state.unfiltered.filter((known) => known !== site);
    this.#change({ unfiltered: filtered ? others : [...others, site] });
    await this.load();
  }

  async choose(
    choices: { readonly [Name in keyof ListState["choices"]]?: boolean | undefined },
    answer: ListState["answer"] = this.#state.answer,
  ): Promise<void> {
    const { firefoxCanary, dohServers, privateRelays } = this.#state.choices;
    const chosen = {
      firefoxCanary: choices.firefoxCanary ?? firefoxCanary,
      dohServers: choices.dohServers ?? dohServers,
      privateRelays: choices.privateRelays ?? privateRelays,
    };
    this.#change({ choices: chosen, answer });
    await this.load();
  }

  async #fetch(subscription: Subscription): Promise<Subscription> {
    const { id, url, etag, pinned } = subscription;
    const path = this.#pathOf(id);
    const checked = { ...subscription, checkedAt: this.#now(), problem: null };
    try {
      const known = existsSync(path) ? etag : null;
      const fetched = await fetchList({ url, etag: known, pinned, path, dial: this.#options.dial });
      if (fetched.kind === "unchanged") return checked;
      return { ...checked, etag: fetched.etag, sha256: fetched.sha256, changedAt: this.#now() };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { ...checked, problem };
    }
  }

  #change(part: Partial<ListState>): void {
    this.#state = { ...this.#state, ...part };
    writeListState(this.#statePath, this.#state);
  }

  #pathOf(id: string): string {
    return join(this.#options.directory, `${id}.txt`);
  }

  /** The heaviest first: of two that say the same, the first is told. */
  #sources(): SetSource[] {
    if (this.#options.filtering === false) return [];
    const { allowed, blocked, unfiltered, subscriptions, choices } = this.#state;
    const policy = this.#options.policy();
    const own = { by: "user", id: "user" } as const;
    const free = [...allowed, ...unfiltered].map((name) => wholeName(name, true));
    const said: SetSource[] = [
      { ...own, title: "what you allow", rank: RANK.userAllow, rules: { lines: free } },
      {
        ...own,
        title: "what you block",
        rank: RANK.userBlock,
        rules: { lines: blocked.map((name) => wholeName(name, false)) },
      },
    ];
    const chosen = [
      choice("firefox-canary", "Firefox asks this resolver", choices.firefoxCanary ? FIREFOX_CANARY : []),
      choice("doh-servers", "Other servers of DNS over HTTPS", choices.dohServers ? DOH_SERVERS : []),
      choice("private-relays", "Private relays", choices.privateRelays ? PRIVATE_RELAYS : []),
    ];
    const builtIn = this.builtIn().filter((id) => existsSync(builtInPath(id)));
    const lists: SetSource[] = [
      ...builtIn.map((id) =>
        list(id, BUILT_IN_TITLES[id], builtInPath(id), policy?.mustBlock(id) ? policy : null),
      ),
      ...subscriptions
        .filter(({ enabled, id }) => enabled && existsSync(this.#pathOf(id)))
        .map(({ id }) => list(id, id, this.#pathOf(id))),
    ];
    return [
      ...(policy?.sources() ?? []),
      ...said,
      ...chosen.filter(({ rules }) => "file" in rules || rules.lines.length > 0),
      ...lists,
    ];
  }
}

function choice(id: string, title: string, names: readonly string[]): SetSource {
  return {
    by: "choice",
    id,
    title,
    rank: RANK.importantBlock,
    rules: { lines: names.map((name) => wholeName(name, false)) },
  };
}

/** What a policy says must be blocked weighs more than the person's word. */
function list(id: string, title: string, file: string, policy: PolicyInForce | null = null): SetSource {
  if (policy === null) return { by: "list", id, title, rank: null, rules: { file } };
  return { by: "policy", id, title, rank: RANK.policyBlock, oneByOne: policy.namesAreKept, rules: { file } };
}
