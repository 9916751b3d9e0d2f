import type { TabRule } from "@atlantic/shared/routing/decide.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import { gateUrl } from "../gate-messages.ts";
import type { RememberedTab } from "./intent.ts";
import type { TabState } from "./runtime.ts";
import type { TabFacts } from "./wanted-plan.ts";

const MAX_DOCUMENTS = 5_000;

/** How long a stopped form may be looked at before it is sent again. */
const PROMISE_MS = 5 * 60_000;

/** Every tab that the extension has heard of, with the site whose connections its page uses. */
export class TabBook {
  readonly #tabs = new Map<number, TabState>();
  readonly #siteOfDocument = new Map<string, string>();
  /** Sites whose workers have asked for something. */
  readonly #withWorkers = new Set<string>();
  /** Tabs of the last session that have not come back yet. */
  #remembered: RememberedTab[] = [];

  load(tabs: readonly TabState[]): void {
    for (const tab of tabs) this.#tabs.set(tab.tabId, tab);
  }

  expect(remembered: readonly RememberedTab[]): void {
    this.#remembered = [...remembered];
  }

  /** @returns whether that is news */
  hasWorkers(site: string): boolean {
    if (this.#withWorkers.has(site)) return false;
    this.#withWorkers.add(site);
    return true;
  }

  get sitesWithWorkers(): ReadonlySet<string> {
    return this.#withWorkers;
  }

  all(): TabState[] {
    return [...this.#tabs.values()];
  }

  get(tabId: number): TabState | undefined {
    return this.#tabs.get(tabId);
  }

  facts(): TabFacts[] {
    return this.all().map(({ tabId, rule, site, coming, promised }) => ({
      tabId,
      rule,
      sites: [site, coming, promised && promised.until > Date.now() ? promised.site : null].filter(
        (name) => name !== null,
      ),
    }));
  }

  /** A tab of which nothing was known: it takes over its opener's route. */
  add(tabId: number, url: string, openerId: number | undefined): TabState {
    const known = this.#tabs.get(tabId);
    if (known) return known;
    const opener = openerId === undefined ? undefined : this.#tabs.get(openerId);
    const rule: TabRule | null = opener?.rule ? { ...opener.rule, because: "opener" } : null;
    const site = siteOf(url) === null ? (opener?.site ?? null) : null;
    const tab: TabState = {
      tabId,
      rule,
      url,
      site: url.startsWith("about:") ? site : null,
      coming: null,
      promised: null,
    };
    this.#tabs.set(tabId, tab);
    return tab;
  }

  remove(tabId: number): void {
    this.#tabs.delete(tabId);
  }

  replace(oldId: number, newId: number): void {
    const tab = this.#tabs.get(oldId);
    this.#tabs.delete(oldId);
    if (tab) this.#tabs.set(newId, { ...tab, tabId: newId });
  }

  setRule(tabId: number, rule: TabRule | null): void {
    const tab = this.#tabs.get(tabId);
    if (tab) tab.rule = rule;
  }

  /** The browser has begun to load a page in the tab, or a redirect has led it on. */
  isComing(tabId: number, url: string): void {
    const tab = this.#tabs.get(tabId);
    const site = siteOf(url);
    if (tab && site !== null) tab.coming = site;
  }

  /** Keeps the way to a site free for a form that was stopped on its way there. */
  promise(tabId: number, site: string): void {
    const tab = this.#tabs.get(tabId);
    if (tab) tab.promised = { site, until: Date.now() + PROMISE_MS };
  }

  /** Nothing came of it. */
  isNotComing(tabId: number): void {
    const tab = this.#tabs.get(tabId);
    if (tab) tab.coming = null;
  }

  /** A page has taken the tab. Waiting at the gate, a tab keeps the site that it is on its way to. */
  shows(tabId: number, url: string, documentId: string | undefined): void {
    const tab = this.#tabs.get(tabId);
    if (!tab) return;
    const site = siteOf(url);
    tab.url = url;
    // A page without a site of its own that a page has opened shares the opener's connections.
    if (!url.startsWith("about:") || site !== null) tab.site = site;
    if (!isGate(url)) tab.coming = null;
    if (site !== null && site === tab.promised?.site) tab.promised = null;
    if (documentId !== undefined && tab.site !== null) this.#remember(documentId, tab.site);
  }

  /** A frame shares the connections of the page that it is in, whatever site it is of. */
  showsFrame(tabId: number, documentId: string | undefined, parentId: string | undefined): void {
    const site = this.siteOfDocument(parentId) ?? this.#tabs.get(tabId)?.site;
    if (documentId !== undefined && site != null) this.#remember(documentId, site);
  }

  siteOfDocument(documentId: string | undefined): string | undefined {
    return documentId === undefined ? undefined : this.#siteOfDocument.get(documentId);
  }

  /** The tabs that have a route of their own, as the next session will look for them. */
  toRemember(): RememberedTab[] {
    return this.all().flatMap(({ url, rule }) => (rule && siteOf(url) !== null ? [{ url, rule }] : []));
  }

  /** A page has opened the tab. */
  inherit(tabId: number, openerId: number): void {
    const opener = this.#tabs.get(openerId);
    const tab = this.add(tabId, "", undefined);
    if (opener?.rule && !tab.rule) tab.rule = { ...opener.rule, because: "opener" };
    if (opener?.site != null && siteOf(tab.url) === null && !isGate(tab.url)) tab.site ??= opener.site;
  }

  movedWithin(tabId: number, url: string): void {
    const tab = this.#tabs.get(tabId);
    if (tab && siteOf(url) !== null) tab.url = url;
  }

  /** A tab that the browser restores gets back the route that it had when it last showed this page. */
  recall(tabId: number, url: string): void {
    const tab = this.#tabs.get(tabId);
    if (!tab || tab.rule) return;
    const index = this.#remembered.findIndex((one) => withoutFragment(one.url) === withoutFragment(url));
    const [found] = index < 0 ? [] : this.#remembered.splice(index, 1);
    tab.rule = found?.rule ?? null;
  }

  #remember(documentId: string, site: string): void {
    this.#siteOfDocument.delete(documentId);
    this.#siteOfDocument.set(documentId, site);
    const [oldest] = this.#siteOfDocument.keys();
    if (this.#siteOfDocument.size > MAX_DOCUMENTS && oldest !== undefined)
      this.#siteOfDocument.delete(oldest);
  }
}

function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? url;
}

function isGate(url: string): boolean {
  return url.startsWith(gateUrl());
}
