/** Wrong passwords that one address may send within the window before it must wait. */
const MAX_FAILURES = 20;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

interface Attempts {
  failures: number;
  since: number;
}

/** Slows the guessing of passwords: each client address has a number of wrong tries a minute. */
export class AttemptThrottle {
  readonly #attempts = new Map<string, Attempts>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Whether the address has to wait. */
  isClosed(address: string): boolean {
    const attempts = this.#attempts.get(address);
    if (attempts === undefined) return false;
    if (this.#clock() - attempts.since >= WINDOW_MS) {
      this.#attempts.delete(address);
      return false;
    }
    return attempts.failures >= MAX_FAILURES;
  }

  failed(address: string): void {
    const attempts = this.#attempts.get(address);
    if (attempts && this.#clock() - attempts.since < WINDOW_MS) {
      attempts.failures += 1;
      return;
    }
    this.#attempts.delete(address);
    this.#attempts.set(address, { failures: 1, since: this.#clock() });
    this.#forgetOldest();
  }

  /** Bounds the memory that an attacker with many addresses can take. */
  #forgetOldest(): void {
    if (this.#attempts.size <= MAX_ADDRESSES) return;
    const oldest = this.#attempts.keys().next().value;
    if (oldest !== undefined) this.#attempts.delete(oldest);
  }
}

/** Seconds that a throttled client is asked to wait. */
export const RETRY_AFTER_SECONDS = WINDOW_MS / 1000;
