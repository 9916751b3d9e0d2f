import { decide, type Rules } from "@atlantic/shared/routing/decide.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import type { Browser } from "wxt/browser";
import { holds } from "../engine/site-set.ts";
import type { GateAnswer, GateQuestion } from "../gate-messages.ts";
import type { Link } from "../messages.ts";
import type { Conductor } from "./conductor.ts";
import { freeNavigation } from "./free-navigation.ts";
import type { TabBook } from "./tab-book.ts";

export interface GateParts {
  readonly book: TabBook;
  readonly conductor: Conductor;
  readonly enabled: () => boolean;
  readonly rules: () => Rules;
  readonly link: () => Link;
  /** An image for the gate page to ask for on the way, or null. */
  readonly probe: () => string | null;
}

interface Waiter {
  readonly port: Browser.runtime.Port;
  readonly tabId: number;
  readonly question: GateQuestion;
  told: string;
}

const SEND_AGAIN =
  "Another tab has this site open through another exit, so the form was stopped before anything left your browser. The way is clear now: go back and send it again.";

/** Lets the tabs that wait at the gate go on, each as soon as nothing of it can go wrong. */
export class GateKeeper {
  readonly #parts: GateParts;
  readonly #waiters = new Set<Waiter>();

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  async enter(port: Browser.runtime.Port, question: GateQuestion): Promise<void> {
    const tab = port.sender?.tab;
    if (tab?.id === undefined) return;
    const waiter: Waiter = {
      port,
      tabId: tab.id,
      question: { ...question, url: canonical(question.url) },
      told: "",
    };
    this.#waiters.add(waiter);
    port.onDisconnect.addListener(() => this.#waiters.delete(waiter));
    this.#parts.book.add(tab.id, tab.url ?? "", tab.openerTabId);
    this.#parts.book.recall(tab.id, question.url);
    this.#parts.book.isComing(tab.id, waiter.question.url);
    const site = siteOf(question.url);
    if (question.sent && site !== null) this.#parts.book.promise(tab.id, site);
    await this.#parts.conductor.settle();
    if (this.#waiters.has(waiter)) this.#judge(waiter);
  }

  /** Something changed: perhaps the way is free for some. */
  look(): void {
    for (const waiter of this.#waiters) this.#judge(waiter);
  }

  #judge(waiter: Waiter): void {
    const answer = this.#answer(waiter);
    const text = JSON.stringify(answer);
    if (waiter.told === text) return;
    waiter.told = text;
    waiter.port.postMessage(answer);
    if (answer.kind === "go") this.#waiters.delete(waiter);
  }

  #answer({ tabId, question }: Waiter): GateAnswer {
    const { book, conductor, rules, enabled, link } = this.#parts;
    const site = siteOf(question.url);
    if (!enabled() || site === null) return { kind: "go", url: question.url, probe: null };
    const rule = book.get(tabId)?.rule ?? null;
    const { route, routeId } = decide(rules(), rule, site);
    if (route.kind === "block") {
      return { kind: "blocked", sentence: "You chose to block this. Choose another way in the popup." };
    }
    const state = link();
    if (state.kind !== "ready") return { kind: "wait", sentence: waitingFor(state) };
    const { applied } = conductor;
    const isListed = applied?.tabs.some(
      (tab) => tab.tabId === tabId && tab.site === site && tab.routeId === routeId,
    );
    const isFree =
      applied && holds(freeNavigation(rules(), rule, applied.mode, new Map(conductor.owners)).free, site);
    if (!isListed || !isFree || conductor.isBusy) {
      return { kind: "wait", sentence: conductor.problem ?? "Getting the way to this page ready." };
    }
    return question.sent
      ? { kind: "sendAgain", sentence: SEND_AGAIN }
      : { kind: "go", url: question.url, probe: this.#parts.probe() };
  }
}

function waitingFor(link: Exclude<Link, { kind: "ready" }>): string {
  if (link.kind === "unpaired")
    return "This browser is not paired with its companion yet. Open the popup to pair it.";
  return `${link.problem} Until then nothing leaves this browser by another way; this page loads by itself when the companion is back.`;
}

/** A name that ends in a full stop is the same site to people and another to the rules of the browser. */
function canonical(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (!url.hostname.endsWith(".")) return text;
  url.hostname = url.hostname.replace(/\.+$/, "");
  return url.href;
}
