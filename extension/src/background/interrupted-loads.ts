/** How a navigation ends that the person stopped, or that another one took the place of. */
const ABORTED = "net::ERR_ABORTED";

interface Load {
  readonly url: string;
  /** How often tunnels had been closed when it began. */
  readonly closings: number;
  readonly isAgain: boolean;
}

/**
 * Pages whose tunnels the companion closed while they were on their way, because a tab was sent elsewhere: they are loaded
 * again, so that the person who turns a tab sees its page from there and no broken connection. A form that was posted is
 * never sent a second time.
 */
export class InterruptedLoads {
  readonly #loads = new Map<number, Load>();
  readonly #loadedAgain = new Map<number, string>();
  readonly #settled: () => Promise<void>;
  #closings = 0;

  /** @param settled resolves when the change that is under way is done */
  constructor(settled: () => Promise<void>) {
    this.#settled = settled;
  }

  /** A tab asks for a page. */
  began({ tabId, url, method }: { tabId: number; url: string; method: string }): void {
    const page = withoutFragment(url);
    if (method !== "GET") this.#loads.delete(tabId);
    else {
      const isAgain = this.#loadedAgain.get(tabId) === page;
      this.#loads.set(tabId, { url: page, closings: this.#closings, isAgain });
    }
  }

  /** The page has taken the tab, perhaps not to its end yet. */
  came(tabId: number): void {
    this.#loadedAgain.delete(tabId);
  }

  tabRemoved(tabId: number): void {
    this.#loads.delete(tabId);
    this.#loadedAgain.delete(tabId);
  }

  /** Open tunnels were closed, or are about to be. */
  tunnelsClosed(): void {
    this.#closings += 1;
  }

  /**
   * A page did not come, or not to its end.
   * @returns whether that is to be answered by loading it again: tunnels were closed meanwhile, the tab still waits for
   * this page, and this is the first time
   */
  async isToBeLoadedAgain(failed: { tabId: number; url: string; error: string }): Promise<boolean> {
    const load = this.#loads.get(failed.tabId);
    if (!load || load.isAgain || failed.error === ABORTED || load.url !== withoutFragment(failed.url))
      return false;
    await this.#settled();
    if (this.#loads.get(failed.tabId) !== load || load.closings === this.#closings) return false;
    this.#loadedAgain.set(failed.tabId, load.url);
    return true;
  }
}

function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? url;
}
