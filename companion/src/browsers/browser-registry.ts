import type { BrowserPlan } from "@atlantic/shared/control/messages.ts";
import { type Browser, type BrowserSecrets, newSecrets, sameSecret } from "./browser.ts";

export interface BrowserEvents {
  /** A plan was applied; says how many tunnels it closed. */
  planned(browser: Browser): number;
  /** The control connection is gone, or another took its place. */
  left(browser: Browser): void;
}

/** The browsers that are connected now. */
export class BrowserRegistry {
  readonly #browsers = new Map<string, Browser>();
  readonly #secrets = new Map<string, BrowserSecrets>();
  readonly #waiting = new Set<() => void>();
  readonly #events: BrowserEvents;

  constructor(events: BrowserEvents) {
    this.#events = events;
  }

  /** The same browser has the same secrets while this process lives, so a short interruption spoils no rule of its. */
  secretsOf(browserId: string): BrowserSecrets {
    const known = this.#secrets.get(browserId);
    if (known) return known;
    const secrets = newSecrets();
    this.#secrets.set(browserId, secrets);
    return secrets;
  }

  /** A second connection of the same browser takes the first one's place, and begins without a plan. */
  join(browser: Browser): void {
    const before = this.#browsers.get(browser.id);
    if (before) this.leave(before);
    this.#browsers.set(browser.id, browser);
    this.changed();
  }

  leave(browser: Browser): void {
    if (this.#browsers.get(browser.id) !== browser) return;
    this.#browsers.delete(browser.id);
    this.#events.left(browser);
    this.changed();
  }

  /** Returns how many tunnels the plan made wrong and closed. */
  apply(browser: Browser, plan: BrowserPlan): number {
    browser.plan = plan;
    const closed = this.#events.planned(browser);
    this.changed();
    return closed;
  }

  all(): Browser[] {
    return [...this.#browsers.values()];
  }

  get(id: string): Browser | undefined {
    return this.#browsers.get(id);
  }

  bySecret(proxySecret: string): Browser | undefined {
    return this.all().find((browser) => sameSecret(browser.secrets.proxySecret, proxySecret));
  }

  byHeaderToken(token: string): Browser | undefined {
    return this.all().find((browser) => sameSecret(browser.secrets.headerToken, token));
  }

  /** Wakes everyone who waits for a plan, a browser or a pending request. */
  changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next change, after `ms`, or when the signal is aborted; whichever is first. */
  nextChange(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
