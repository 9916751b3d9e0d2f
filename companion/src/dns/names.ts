import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { listName } from "@atlantic/shared/blocking/list-name.ts";
import type { ListedRule } from "@atlantic/shared/blocking/urls/blocking-rule.ts";
import type { UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import type { BrowserFilter, NameDecision, NameList, NamesView } from "@atlantic/shared/control/names.ts";
import type { Logger } from "pino";
import { ClearError } from "../clear-error.ts";
import type { DialTarget } from "../upstream/dialing-agent.ts";
import { DecisionLog } from "./compliance/decision-log.ts";
import { PolicyStore } from "./compliance/policy-store.ts";
import { NameFilter } from "./filter/name-filter.ts";
import { ensureBuiltInLists, isBuiltIn } from "./lists/built-in-lists.ts";
import { FilterLists } from "./lists/filter-lists.ts";
import { explainUrl } from "./urls/explain-url.ts";
import type { UrlFilter } from "./urls/url-filter.ts";

export interface NamesOptions {
  /** Where lists, choices and the policy are kept. */
  readonly directory: string;
  readonly log: Logger;
  /** False: nothing is loaded, and so nothing is blocked. */
  readonly filtering: boolean;
  /** How lists are fetched; as every program of the machine when left out, and so through the tunnel where there is one. */
  readonly dial?: DialTarget;
}

/** How often subscriptions are looked at, and after what time they are asked for again. */
const LOOK_MS = 15 * 60_000;
const UPDATE_MS = 24 * 3_600_000;

/** Which names are blocked on this machine and why: the lists, the person's words, the region's policy. */
export class Names {
  readonly filter = new NameFilter();
  readonly lists: FilterLists;
  readonly policy: PolicyStore;
  #urls: UrlFilter | null = null;
  readonly #decisions: DecisionLog;
  readonly #log: Logger;
  readonly #isOn: boolean;
  readonly #timer: NodeJS.Timeout;

  private constructor({ directory, log, filtering, dial = dialPlainly }: NamesOptions) {
    this.#log = log;
    this.#isOn = filtering;
    this.policy = new PolicyStore({
      directory,
      tell: ({ kind, why, sentence }) =>
        log[kind === "refused" ? "warn" : "info"]({ policy: kind, why }, sentence),
    });
    const policy = () => this.policy.inForce;
    this.lists = new FilterLists({ directory, filter: this.filter, dial, policy, filtering });
    this.#decisions = new DecisionLog({ directory: join(directory, "decisions"), policy });
    this.filter.onPolicy = (name, source) => this.#decisions.blocked(name, source);
    this.#timer = setInterval(() => void this.#updateOld(), LOOK_MS);
    this.#timer.unref();
  }

  /**
   * Reads what was kept, and begins to load the lists; until they are there, names, plain requests and tunnels wait,
   * for some seconds at most.
   * @throws ClearError when what was kept cannot be read
   */
  static open(options: NamesOptions): Names {
    const names = new Names(options);
    if (options.filtering) names.filter.beginWith(names.#load());
    return names;
  }

  /** @param text a name or a whole address. @throws ClearError when it is neither */
  async why(text: string): Promise<NameDecision> {
    const url = text.includes("/") ? URL.parse(text) : null;
    if (url === null) return this.#whyName(text);
    const urls = await this.#urlFilter();
    return explainUrl(url.href, this.#whyName(url.hostname), urls.fitting(url.href));
  }

  /** Loads what whole addresses are filtered with: where nobody asks for plain http it costs no memory. */
  async #urlFilter(): Promise<UrlFilter> {
    const { UrlFilter } = await import("./urls/url-filter.ts");
    this.#urls ??= new UrlFilter(() => (this.#isOn ? this.lists.builtIn() : []));
    return this.#urls;
  }

  #whyName(text: string): NameDecision {
    const name = listName(text);
    if (name === undefined)
      throw new ClearError(
        `"${text}" is no name: give one as in ads.example.com, or a whole address with http:// or https://.`,
      );
    const { verdict, rule, sentences } = this.filter.why(name);
    const because = rule?.by === "policy" ? this.policy.inForce?.because(name) : undefined;
    return {
      name,
      decision: verdict === "unknown" ? "unlisted" : verdict,
      rule: rule?.rule ?? null,
      list: rule?.source ?? null,
      text: [
        ...sentences,
        ...(because === undefined ? [] : [`The policy gives the reason: ${because}.`]),
      ].join(" "),
    };
  }

  view(): NamesView {
    const { choices, answer, allowed, blocked, unfiltered } = this.lists.state;
    const inForce = this.policy.inForce;
    return {
      answer,
      choices,
      allowed,
      blocked,
      unfiltered,
      lists: this.listViews(),
      policy: inForce && { id: inForce.policy.id, sentences: inForce.explain() },
      policyProblem: this.policy.problem,
    };
  }

  /** What browsers filter by themselves, whether or not the lists have been read here. */
  browserFilter(): BrowserFilter {
    const { allowed, blocked, unfiltered } = this.lists.state;
    const nothing = { isOn: false, lists: [], unfiltered: [], allowed: [], blocked: [] };
    if (!this.#isOn) return nothing;
    return { isOn: true, lists: this.lists.builtIn(), unfiltered, allowed, blocked };
  }

  listViews(): NameList[] {
    const { subscriptions } = this.lists.state;
    return this.filter.lists().map(({ source, contents, blocked }) => {
      const subscription = subscriptions.find(({ id }) => id === source.id);
      return {
        id: source.id,
        name: source.title,
        url: subscription?.url ?? null,
        entries: contents.rules,
        notUnderstood: Object.values(contents.notUnderstood).reduce((sum, count) => sum + count, 0),
        blocked,
        removable: subscription !== undefined || isBuiltIn(source.id),
        updatedAt: subscription?.changedAt ?? null,
        problem: subscription?.problem ?? null,
      };
    });
  }

  /** Whether a flow to a host is to be blocked; one that may be of an unfiltered site's page is so by the policy alone. */
  blocksFlow(host: string, sites: readonly string[]): boolean {
    const name = listName(host);
    if (name === undefined) return false;
    const decision = this.filter.decide(name);
    if (decision.verdict !== "blocked") return false;
    const isFree = sites.some((site) => this.lists.state.unfiltered.includes(site));
    if (isFree && !this.filter.isPolicy(decision)) return false;
    this.filter.count(name, decision);
    return true;
  }

  /** To be awaited before `blocksFlow`: the first lists may be on their way, though not for ever. */
  async prepareForFlows(): Promise<void> {
    if (this.filter.beginning) await this.filter.beginning;
  }

  /** To be awaited before `blocksRequest`, while nothing has been decided of the request yet. */
  async prepareForRequests(): Promise<void> {
    await this.prepareForFlows();
    if (this.#urls === null) await this.#urlFilter();
  }

  /**
   * The rule that blocks a plain request by its whole address; none where the request may be of an unfiltered site's page,
   * and none for a name that is allowed.
   */
  blocksRequest(request: UrlRequest, sites: readonly string[]): ListedRule | undefined {
    if (sites.some((site) => this.lists.state.unfiltered.includes(site))) return undefined;
    const name = listName(request.host);
    if (name !== undefined && this.filter.decide(name).verdict === "allowed") return undefined;
    const found = this.#urls?.blocking(request);
    if (found) this.filter.countBy(found.list, 1);
    return found;
  }

  close(): void {
    this.#urls?.close();
    clearInterval(this.#timer);
    this.#decisions.close();
  }

  async #load(): Promise<void> {
    try {
      await ensureBuiltInLists();
    } catch (error) {
      this.#log.warn(
        { err: error },
        "The lists that come with the program are not there: npm run build:lists",
      );
    }
    await this.lists
      .load()
      .catch((error: unknown) => this.#log.error({ err: error }, "The lists could not be read"));
  }

  async #updateOld(): Promise<void> {
    const { subscriptions } = this.lists.state;
    if (!subscriptions.some(({ checkedAt }) => (checkedAt ?? 0) + UPDATE_MS < Date.now())) return;
    for (const { id, problem } of await this.lists.update()) {
      if (problem !== null)
        this.#log.warn({ list: id, problem }, "A list could not be updated; the last good one is used");
    }
  }
}

function dialPlainly({ host, port }: { readonly host: string; readonly port: number }): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, timeout: 15_000 });
  socket.once("connect", () => {
    socket.setTimeout(0);
    resolve(socket);
  });
  socket.once("timeout", () => socket.destroy(new Error("The server does not answer.")));
  socket.once("error", reject);
  return promise;
}
