import { browserRequests, type RouteScope } from "@atlantic/shared/control/messages.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { decide, type TabRule } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import { type Browser, browser } from "wxt/browser";
import type { Engine } from "../engine/engine.ts";
import type { RequestWay, RoutedRequest } from "../engine/request-way.ts";
import type { GateQuestion } from "../gate-messages.ts";
import type { PageCommand } from "../messages.ts";
import { answerChallenge } from "./answer-challenge.ts";
import { Companion, type Welcome } from "./companion.ts";
import { Conductor } from "./conductor.ts";
import { findWay } from "./find-way.ts";
import { GateKeeper } from "./gate-keeper.ts";
import { helpFrame } from "./helper-request.ts";
import { ImagePolicy } from "./image-policy.ts";
import type { Intent } from "./intent.ts";
import { InterruptedLoads } from "./interrupted-loads.ts";
import { RequestNotices } from "./request-notices.ts";
import { readRuntime, writeRuntime } from "./runtime.ts";
import { Showing } from "./showing.ts";
import { Store } from "./store.ts";
import { TabBook } from "./tab-book.ts";
import { sentenceOf } from "./wire.ts";

const BLOCKED = routeId(BLOCK);

/** The browser restores its tabs within this time of its start. */
const RESTORE_MS = 60_000;

const TOKEN_BYTES = 32;

/** How long requests wait for the companion after this background has started. */
const WELCOME_MS = 3_000;

/** The machine's rules, its tunnel and the first checks, on a slow line. */
const CONNECT_MS = 90_000;

/** How a page fails whose service worker got no answer: as a network error, or as the refusal itself. */
const REFUSED_BY_WORKER: ReadonlySet<string> = new Set([
  "net::ERR_FAILED",
  "net::ERR_HTTP_RESPONSE_CODE_FAILURE",
]);

interface FailedNavigation {
  readonly tabId: number;
  readonly frameId: number;
  readonly url: string;
  readonly error: string;
}

/** What the person wants, what the tabs do, and the companion, brought together. */
export class Background {
  readonly #store: Store;
  readonly #engine: Engine;
  readonly #book = new TabBook();
  readonly #companion: Companion;
  readonly #conductor: Conductor;
  readonly #gate: GateKeeper;
  readonly #policy = new ImagePolicy(() => this.#changed());
  readonly #showing: Showing;
  readonly #notices: RequestNotices;
  readonly #strays = new Set<string>();
  /** What the browser has no room for, in a sentence. */
  #filterProblem: string | null = null;
  /** The page that a tab is loading past its worker: once is enough. */
  readonly #pastWorkers = new Map<number, string>();
  readonly #loads = new InterruptedLoads(() => this.#conductor.settle());
  /** Resolves when the companion was there for the first time, or has had the time for it. */
  readonly #firstWelcome = Promise.withResolvers<void>();

  private constructor(store: Store, engine: Engine) {
    this.#store = store;
    this.#engine = engine;
    this.#companion = new Companion({
      changed: () => this.#show(),
      ready: ({ proxyPort }) => {
        this.#firstWelcome.resolve();
        if (proxyPort !== store.intent.proxyPort) store.change({ proxyPort });
        this.#conductor.forget();
        this.#notices.tellAgain();
        this.#changed();
      },
      filterChanged: (filter) => this.#filterAs(filter),
      helperWanted: (wanted) => void helpFrame(wanted).catch(() => {}),
      routeSet: async (params) => {
        const { scope, route } = browserRequests["route.set"].params.parse(params);
        await this.choose(scope, route);
      },
      settled: () => this.#conductor.settle(),
      pairingToken: async () => this.#pairingToken(),
    });
    this.#notices = new RequestNotices(this.#companion, this.#book);
    this.#conductor = new Conductor(engine, this.#companion, this.#book, {
      score: () => ({ ...store.intent, imagesMayBeChallenged: this.#policy.isOn }),
      tunnelsClosed: () => this.#loads.tunnelsClosed(),
    });
    this.#gate = new GateKeeper({
      book: this.#book,
      conductor: this.#conductor,
      enabled: () => store.intent.enabled,
      rules: () => store.intent.rules,
      link: () => this.#companion.link,
      probe: () => this.#policy.probe(),
    });
    this.#showing = new Showing({
      engine,
      intent: () => store.intent,
      companion: this.#companion,
      conductor: this.#conductor,
      book: this.#book,
      warnings: () => this.#warnings(),
    });
  }

  /** Reads what was kept, finds the tabs that are there, and looks for the companion. */
  static async start(engine: Engine): Promise<Background> {
    const store = await Store.open();
    const background = new Background(store, engine);
    const early = await background.#recover();
    // A browser forgets which rulesets were on when the extension is loaded anew.
    if (store.intent.filter) void background.#filterAs(store.intent.filter);
    background.#companion.connect();
    setTimeout(() => background.#firstWelcome.resolve(), WELCOME_MS);
    void background.#settled().then(() => background.#loadAgain(early));
    return background;
  }

  /** @returns tabs that began to load before this extension was there */
  async #recover(): Promise<number[]> {
    const runtime = await readRuntime();
    if (runtime) {
      this.#book.load(runtime.tabs);
      this.#conductor.load(runtime);
      this.#policy.load(runtime.imagesMayBeChallenged);
      for (const site of runtime.sitesWithWorkers) this.#book.hasWorkers(site);
    } else {
      this.#book.expect(this.#store.intent.tabs);
      setTimeout(() => this.#book.expect([]), RESTORE_MS);
    }
    return this.#meetTabs(runtime === undefined);
  }

  /** Nobody knows which way they went: now they go theirs. */
  async #loadAgain(tabIds: readonly number[]): Promise<void> {
    if (!this.#store.intent.enabled) return;
    for (const tabId of tabIds) await browser.tabs.reload(tabId).catch(() => {});
  }

  async #meetTabs(isFresh: boolean): Promise<number[]> {
    const early: number[] = [];
    const tabs = await browser.tabs.query({});
    const ids = new Set(tabs.map(({ id }) => id));
    for (const { tabId } of this.#book.all()) if (!ids.has(tabId)) this.#book.remove(tabId);
    for (const tab of tabs) {
      if (tab.id === undefined || this.#book.get(tab.id)) continue;
      const url = tab.url ?? "";
      this.#book.add(tab.id, url, undefined);
      this.#book.recall(tab.id, url);
      this.#book.shows(tab.id, url, undefined);
      this.#book.recall(tab.id, tab.pendingUrl ?? url);
      if (isFresh && siteOf(tab.pendingUrl ?? url) !== null) early.push(tab.id);
    }
    return early;
  }

  async #filterAs(filter: BrowserFilter): Promise<void> {
    if (JSON.stringify(filter) !== JSON.stringify(this.#store.intent.filter)) this.#store.change({ filter });
    this.#filterProblem = await this.#engine.setFilter(filter).catch(sentenceOf);
    this.#show();
  }

  // The tabs.

  tabCreated(tab: Browser.tabs.Tab): void {
    if (tab.id === undefined) return;
    const url = tab.pendingUrl ?? tab.url ?? "";
    // A new-tab page has an opener too, but no page has opened it.
    this.#book.add(
      tab.id,
      tab.url ?? "",
      /^(chrome|edge|about:newtab|about:home)/.test(url) ? undefined : tab.openerTabId,
    );
    this.#changed();
  }

  tabOpenedByPage({ tabId, sourceTabId }: { tabId: number; sourceTabId: number }): void {
    this.#book.inherit(tabId, sourceTabId);
    this.#changed();
  }

  tabRemoved(tabId: number): void {
    this.#book.remove(tabId);
    this.#loads.tabRemoved(tabId);
    this.#showing.tabRemoved(tabId);
    this.#changed();
  }

  tabReplaced(newId: number, oldId: number): void {
    this.#book.replace(oldId, newId);
    this.#changed();
  }

  committed(details: Browser.webNavigation.WebNavigationTransitionCallbackDetails): void {
    const { tabId, frameId, url, documentId, parentDocumentId } = details;
    if (frameId !== 0) {
      this.#book.showsFrame(tabId, documentId, parentDocumentId);
      return;
    }
    this.#book.add(tabId, url, undefined);
    this.#book.shows(tabId, url, documentId);
    this.#pastWorkers.delete(tabId);
    this.#loads.came(tabId);
    this.#showing.pageChanged(tabId);
    this.#changed();
  }

  /** The page went to another of its own addresses without loading anything. */
  movedWithin({ tabId, frameId, url }: { tabId: number; frameId: number; url: string }): void {
    if (frameId !== 0) return;
    this.#book.movedWithin(tabId, url);
    this.#remember();
  }

  /** A service worker may answer this navigation, and then no request of the tab's will tell of it. */
  navigationBegun({ tabId, frameId, url }: { tabId: number; frameId: number; url: string }): void {
    if (frameId !== 0 || siteOf(url) === null) return;
    this.#book.add(tabId, "", undefined);
    this.#book.isComing(tabId, url);
    this.#changed();
  }

  async navigationFailed(failed: FailedNavigation): Promise<void> {
    const { tabId, frameId, url, error } = failed;
    if (frameId !== 0) return;
    if (REFUSED_BY_WORKER.has(error)) this.#pastWorker(tabId, url);
    else if (await this.#loads.isToBeLoadedAgain(failed)) await browser.tabs.reload(tabId).catch(() => {});
    else this.#book.isNotComing(tabId);
    this.#changed();
  }

  /**
   * A site that is open under two routes has a worker that may ask for nothing, so the page that it should have brought
   * did not come. Loaded past its cache, a page is loaded past its worker.
   */
  #pastWorker(tabId: number, url: string): void {
    const site = siteOf(url);
    const routes = new Set(
      this.#conductor
        .wanted()
        .tabs.filter((tab) => tab.site === site)
        .map((tab) => tab.routeId),
    );
    const isTorn = site !== null && this.#book.sitesWithWorkers.has(site) && routes.size > 1;
    if (isTorn && this.#pastWorkers.get(tabId) !== url) {
      this.#pastWorkers.set(tabId, url);
      void browser.tabs.reload(tabId, { bypassCache: true }).catch(() => {});
    } else this.#book.isNotComing(tabId);
  }

  // The requests.

  requestStarted(details: Browser.webRequest.OnBeforeRequestDetails): void {
    if (!this.#store.intent.enabled) return;
    this.#notices.started(details, this.#policy.isOn);
    if (isOfWorker(details)) this.#sawWorker(siteOf(details.initiator ?? ""));
    if (details.type === "main_frame" && details.tabId >= 0) {
      this.#book.add(details.tabId, "", undefined);
      this.#book.isComing(details.tabId, details.url);
      this.#loads.began(details);
      this.#changed();
    }
  }

  #sawWorker(site: string | null): void {
    if (site !== null && this.#book.hasWorkers(site)) this.#changed();
  }

  requestSettled(details: { requestId: string }): void {
    this.#notices.settled(details);
  }

  requestFailed(details: { requestId: string; url: string; error: string }): void {
    this.#policy.failed(details);
    this.requestSettled(details);
  }

  challenged(details: Browser.webRequest.OnAuthRequiredDetails): Browser.webRequest.BlockingResponse {
    if (details.isProxy && this.#policy.challenged(details)) return { cancel: true };
    return answerChallenge(details, {
      book: this.#book,
      conductor: this.#conductor,
      rules: () => this.#store.intent.rules,
      strays: () => this.#store.intent.strays,
      welcome: () => this.#companion.welcome,
      strayBlocked: (site) => this.#strayBlocked(site),
    });
  }

  /** The way of one request, in a browser that asks for each. */
  wayOf(request: RoutedRequest): Promise<RequestWay> {
    return findWay(request, {
      book: this.#book,
      conductor: this.#conductor,
      enabled: () => this.#store.intent.enabled,
      rules: () => this.#store.intent.rules,
      strays: () => this.#store.intent.strays,
      strayBlocked: (site) => this.#strayBlocked(site),
      awaitWelcome: () => this.#awaitWelcome(),
      meet: async (tabId) => this.tabCreated(await browser.tabs.get(tabId)),
    });
  }

  async #awaitWelcome(): Promise<Welcome | null> {
    await this.#firstWelcome.promise;
    return this.#companion.welcome;
  }

  // The person.

  pageOpened(port: Browser.runtime.Port): void {
    this.#showing.add(port);
    this.#companion.connect();
    this.#companion.refreshExits().catch(() => {});
  }

  atGate(port: Browser.runtime.Port, question: GateQuestion): Promise<void> {
    return this.#gate.enter(port, question);
  }

  /** @throws Error with a sentence for the person */
  async command(command: PageCommand): Promise<void> {
    switch (command.kind) {
      case "enable":
        this.#store.change({ enabled: command.on });
        return this.#settled();
      case "choose":
        return this.choose(command.scope, command.route);
      case "forget":
        return this.#setRule(command.scope, null);
      case "rotate":
        return this.#rotate();
      case "pair":
        return this.#companion.answerPairing(command.accepted);
      case "retry":
        this.#companion.connect();
        return this.#settled();
      case "blockAds":
        return this.#blockAds(command.site, command.on);
      case "protect":
        return this.#companion.ask("protection.connect", {}, CONNECT_MS).then(() => {});
      case "validate":
        return this.#companion.ask("protection.validate", {}, CONNECT_MS).then(() => {});
    }
  }

  /** The page is loaded again, so that what it shows is what was chosen. */
  async #blockAds(site: string, on: boolean): Promise<void> {
    await this.#companion.blockAds(site, on);
    const tabId = await this.#showing.activeTabId();
    if (tabId !== undefined && this.#book.get(tabId)?.site === site)
      await browser.tabs.reload(tabId).catch(() => {});
  }

  /** Resolves when requests of this scope go the new way. To choose an exit, or to block, is to switch exits on. */
  async choose(scope: RouteScope, route: Route): Promise<void> {
    if (route.kind !== "direct" && !this.#store.intent.enabled) this.#store.change({ enabled: true });
    await this.#setRule(scope, route);
  }

  async #setRule(scope: RouteScope, route: Route | null): Promise<void> {
    if (scope.kind === "tab") this.#setTabRule(scope.tabId, route && { route, because: "tab" });
    else this.#store.change({ rules: withRule(this.#store.intent, scope, route) });
    await this.#settled();
    await this.#clearBlockedPages();
  }

  #setTabRule(tabId: number, rule: TabRule | null): void {
    if (!this.#book.get(tabId)) throw new Error("That tab is not there any more.");
    this.#book.setRule(tabId, rule);
  }

  async #rotate(): Promise<void> {
    const tab = this.#book.get((await this.#showing.activeTabId()) ?? -1);
    const { route, routeId: id } = decide(this.#store.intent.rules, tab?.rule ?? null, tab?.site ?? null);
    if (route.kind !== "exit") throw new Error("This tab uses no exit, so there is no address to change.");
    // Its answer may come long after its tunnels were closed.
    this.#loads.tunnelsClosed();
    await this.#companion.ask("session.rotate", { routeId: id });
  }

  /** A page that is blocked may have connections that are still open: at the gate it has none. */
  async #clearBlockedPages(): Promise<void> {
    for (const { tabId, rule, site } of this.#book.all()) {
      if (site === null || decide(this.#store.intent.rules, rule, site).routeId !== BLOCKED) continue;
      await browser.tabs.reload(tabId).catch(() => {});
    }
  }

  /** Keeps the link alive when the background was asleep and nothing else woke it. */
  tick(): void {
    this.#companion.connect();
  }

  settingsChanged(): void {
    this.#show();
  }

  // What follows from a change.

  #changed(): void {
    void this.#settled();
  }

  async #settled(): Promise<void> {
    this.#show();
    await this.#conductor.settle();
    this.#gate.look();
    this.#show();
    await this.#keep();
  }

  #show(): void {
    this.#showing.update();
    this.#gate?.look();
  }

  async #keep(): Promise<void> {
    const { revision, generation, owners } = this.#conductor;
    await writeRuntime({
      revision,
      generation,
      owners,
      tabs: this.#book.all(),
      sitesWithWorkers: [...this.#book.sitesWithWorkers],
      imagesMayBeChallenged: this.#policy.found,
    });
    this.#remember();
  }

  #remember(): void {
    const tabs = this.#book.toRemember();
    if (JSON.stringify(tabs) !== JSON.stringify(this.#store.intent.tabs)) this.#store.change({ tabs });
  }

  #pairingToken(): string {
    const known = this.#store.intent.pairingToken;
    if (known !== null) return known;
    const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    const token = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#store.change({ pairingToken: token });
    return token;
  }

  #strayBlocked(site: string | null): void {
    if (site === null || this.#strays.has(site)) return;
    this.#strays.add(site);
    this.#show();
  }

  #warnings(): string[] {
    const strays = [...this.#strays].map(
      (site) =>
        `A background worker of ${site} was stopped: the site is open through several exits, or through none, so nobody can tell which way it belongs.`,
    );
    if (this.#filterProblem !== null) strays.push(this.#filterProblem);
    const isAttributed = this.#conductor.applied?.mode.kind === "attributed";
    const slowImages =
      "This browser lets nobody answer for images of other sites, so some take a little longer while several exits are in use. The policy AllowCrossOriginAuthPrompt ends that.";
    return isAttributed && this.#policy.found === false ? [...strays, slowImages] : strays;
  }
}

/** What is sent after its page has gone belongs to no tab either, and is no worker's. */
function isOfWorker({ tabId, type }: { tabId: number; type: string }): boolean {
  return tabId < 0 && !["ping", "csp_report", "other"].includes(type);
}

function withRule(
  { rules }: Intent,
  scope: Exclude<RouteScope, { kind: "tab" }>,
  route: Route | null,
): Intent["rules"] {
  if (scope.kind === "everything") return { ...rules, everything: route ?? { kind: "direct" } };
  const site = siteOf(`https://${scope.site}/`) ?? scope.site;
  const { [site]: _, ...others } = rules.sites;
  return { ...rules, sites: route ? { ...others, [site]: route } : others };
}
