import type { Browser } from "./browser.ts";
import type { BrowserRegistry } from "./browser-registry.ts";

/** Which browsers have said, since this began, that they have told everything. Each answer wakes who waits for news. */
export class Soundings {
  readonly #registry: BrowserRegistry;
  readonly #answered = new Map<Browser, boolean>();

  constructor(registry: BrowserRegistry) {
    this.#registry = registry;
  }

  /** Asks those of them that have not been asked yet. */
  haveAnswered(browsers: readonly Browser[]): boolean {
    for (const browser of browsers) if (!this.#answered.has(browser)) this.#ask(browser);
    return browsers.every((browser) => this.#answered.get(browser) === true);
  }

  #ask(browser: Browser): void {
    this.#answered.set(browser, false);
    void browser.sounding.take().then(() => {
      this.#answered.set(browser, true);
      this.#registry.changed();
    });
  }
}
