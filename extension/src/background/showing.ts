import { decide } from "@atlantic/shared/routing/decide.ts";
import { type Browser, browser } from "wxt/browser";
import type { Engine } from "../engine/engine.ts";
import { encodeModel, type PageUpdate, type PopupModel } from "../messages.ts";
import { BadgePainter, badgeOf, type IconState } from "./badge.ts";
import type { Companion } from "./companion.ts";
import { computerBadge, computerIcon } from "./computer-badge.ts";
import type { Conductor } from "./conductor.ts";
import type { Intent } from "./intent.ts";
import { popupModel, tabModel } from "./popup-model.ts";
import type { TabBook } from "./tab-book.ts";

export interface ShowingParts {
  readonly engine: Engine;
  readonly intent: () => Intent;
  readonly companion: Companion;
  readonly conductor: Conductor;
  readonly book: TabBook;
  readonly warnings: () => readonly string[];
}

/** Shows the state: to open pages as a model, in the toolbar as icon and badges. Bursts of changes are shown once. */
export class Showing {
  readonly #parts: ShowingParts;
  readonly #pages = new Map<Browser.runtime.Port, string>();
  readonly #badges = new BadgePainter();
  #isDirty = false;
  #isRunning = false;

  constructor(parts: ShowingParts) {
    this.#parts = parts;
  }

  add(port: Browser.runtime.Port): void {
    this.#pages.set(port, "");
    port.onDisconnect.addListener(() => this.#pages.delete(port));
    this.update();
  }

  tabRemoved(tabId: number): void {
    this.#badges.forget(tabId);
  }

  /** A navigation takes the tab's badge away. */
  pageChanged(tabId: number): void {
    this.#badges.forget(tabId);
  }

  update(): void {
    this.#isDirty = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async activeTabId(): Promise<number | undefined> {
    const [tab] = await browser.tabs.query({ active: true, lastFocusedWindow: true });
    return tab?.id;
  }

  async #run(): Promise<void> {
    try {
      await Promise.resolve();
      while (this.#isDirty) {
        this.#isDirty = false;
        await this.#showOnce().catch(() => {});
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #showOnce(): Promise<void> {
    const conflict = this.#parts.intent().enabled ? await this.#parts.engine.conflict() : null;
    if (this.#pages.size > 0) this.#send(await this.#model(conflict));
    await this.#badges.setIcon(this.#icon(conflict));
    for (const tab of this.#parts.book.all()) {
      // A tab may be gone by now.
      await this.#badges.paint(tab.tabId, this.#badge(tab.tabId)).catch(() => this.#badges.forget(tab.tabId));
    }
  }

  async #model(conflict: string | null): Promise<PopupModel> {
    const { intent, companion, conductor, book, warnings } = this.#parts;
    return popupModel({
      intent: intent(),
      companion,
      conductor,
      conflict,
      tab: book.get((await this.activeTabId()) ?? -1),
      tabs: book.all(),
      warnings: warnings(),
    });
  }

  #send(model: PopupModel): void {
    const update: PageUpdate = encodeModel(model);
    const text = JSON.stringify(update);
    for (const [port, before] of this.#pages) {
      if (before === text) continue;
      this.#pages.set(port, text);
      port.postMessage(update);
    }
  }

  #badge(tabId: number): ReturnType<typeof badgeOf> | null {
    const { intent, companion, conductor, book } = this.#parts;
    const isReady = companion.link.kind === "ready";
    const computer = isReady ? computerBadge(companion.status?.protection ?? null) : null;
    if (computer) return computer;
    const tab = book.get(tabId);
    if (!tab || !intent().enabled) return null;
    const { route, sentence, isInForce } = tabModel({ intent: intent(), companion, conductor }, tab);
    if (isReady && !isInForce) return { text: "…", tone: "direct", title: sentence };
    return badgeOf(route, isReady, sentence);
  }

  #icon(conflict: string | null): IconState {
    const { intent, companion, book } = this.#parts;
    const isReady = companion.link.kind === "ready";
    const computer = isReady ? computerIcon(companion.status?.protection ?? null) : null;
    if (computer) return computer;
    if (!intent().enabled) return "off";
    if (conflict !== null) return "conflict";
    if (companion.link.kind === "lost" || companion.link.kind === "absent") return "blocked";
    if (companion.link.kind === "unpaired") return "connecting";
    const usesExit = book
      .all()
      .some(({ rule, site }) => decide(intent().rules, rule, site).route.kind === "exit");
    return usesExit ? "on" : "off";
  }
}
