/** How fast the flows that share it may move bytes, both directions together. */
export interface Rate {
  /** `true` when `bytes` may move now; else a promise that resolves when they may. */
  take(bytes: number): true | Promise<void>;
  /** @param bytesPerSecond null for no limit; takes effect on what is moving now */
  set(bytesPerSecond: number | null): void;
}

/** For flows without a limit. */
export const unlimitedRate: Rate = { take: () => true, set: () => {} };

/** A burst of this many seconds may pass at once. */
const BURST_SECONDS = 0.1;
const TICK_MS = 20;

/** A token bucket of this thread alone. */
export class LocalRate implements Rate {
  readonly #now: () => number;
  readonly #waiting: { readonly bytes: number; readonly settle: () => void }[] = [];
  #bytesPerSecond: number | null;
  #tokens = 0;
  #filledAt: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param now milliseconds of a clock that never goes back */
  constructor(bytesPerSecond: number | null, now: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
    this.#filledAt = now();
  }

  take(bytes: number): true | Promise<void> {
    if (this.#bytesPerSecond === null) return true;
    this.#fill(this.#bytesPerSecond);
    if (this.#waiting.length === 0 && this.#tokens > 0) {
      // A chunk may be larger than the bucket: the debt delays whoever comes next.
      this.#tokens -= bytes;
      return true;
    }
    return new Promise((settle) => {
      this.#waiting.push({ bytes, settle });
      this.#timer ??= setTimeout(() => this.#serve(), TICK_MS);
    });
  }

  set(bytesPerSecond: number | null): void {
    if (this.#bytesPerSecond !== null) this.#fill(this.#bytesPerSecond);
    this.#bytesPerSecond = bytesPerSecond;
    // A debt made at the old speed must not hold the new one back.
    if (this.#tokens < 0) this.#tokens = 0;
    this.#filledAt = this.#now();
    this.#serve();
  }

  #fill(bytesPerSecond: number): void {
    const now = this.#now();
    const most = bytesPerSecond * BURST_SECONDS;
    this.#tokens = Math.min(most, this.#tokens + ((now - this.#filledAt) / 1_000) * bytesPerSecond);
    this.#filledAt = now;
  }

  #serve(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#bytesPerSecond !== null) this.#fill(this.#bytesPerSecond);
    while (this.#bytesPerSecond === null || this.#tokens > 0) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      this.#tokens -= first.bytes;
      first.settle();
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#serve(), TICK_MS);
  }
}
