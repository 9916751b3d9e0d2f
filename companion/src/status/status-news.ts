/** Notices of a changed status go out at most this often. */
const INTERVAL_MS = 500;

/** Gathers changes, so that listeners hear of many at once. */
export class StatusNews {
  readonly #publish: () => void;
  #timer: NodeJS.Timeout | null = null;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(publish: () => void) {
    this.#publish = publish;
  }

  /** Publishes soon: at once when nothing was published lately. */
  changed(): void {
    if (this.#timer) return;
    const wait = Math.max(0, this.#lastAt + INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#lastAt = performance.now();
      this.#publish();
    }, wait);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
  }
}
