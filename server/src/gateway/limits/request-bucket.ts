import type { RequestRate } from "../flow-limits.ts";

/** Requests per second: a token bucket that holds one second's worth, so that a burst of that size passes at once. */
export class RequestBucket implements RequestRate {
  readonly #clock: () => number;
  #perSecond: number | null;
  #tokens: number;
  #filledAt: number;

  /**
   * @param perSecond null for no limit
   * @param clock milliseconds, never going back
   */
  constructor(perSecond: number | null, clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#tokens = perSecond ?? 0;
    this.#filledAt = clock();
  }

  get isLimited(): boolean {
    return this.#perSecond !== null;
  }

  take(): boolean {
    if (this.#perSecond === null) return true;
    this.#fill(this.#perSecond);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes effect on the next request; a limit that was there keeps what was taken of it. */
  set(perSecond: number | null): void {
    if (perSecond === this.#perSecond) return;
    if (this.#perSecond === null) this.#tokens = perSecond ?? 0;
    else this.#fill(this.#perSecond);
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, perSecond ?? 0);
    this.#filledAt = this.#clock();
  }

  #fill(perSecond: number): void {
    const now = this.#clock();
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#filledAt) / 1_000) * perSecond);
    this.#filledAt = now;
  }
}
