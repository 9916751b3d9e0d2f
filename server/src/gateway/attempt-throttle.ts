/** Wrong passwords that one address may send within the window before it must wait. */
const MAX_FAILURES = 20;
/** The same for one user name, from all addresses together: a guesser may have many. */
const MAX_FAILURES_OF_NAME = 200;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

interface Attempts {
  failures: number;
  since: number;
}

/** Failures within a window, per key; the oldest keys are forgotten when there are too many. */
class Failures {
  readonly #attempts = new Map<string, Attempts>();
  readonly #most: number;
  readonly #clock: () => number;

  constructor(most: number, clock: () => number) {
    this.#most = most;
    this.#clock = clock;
  }

  isFull(key: string): boolean {
    const attempts = this.#attempts.get(key);
    if (attempts === undefined) return false;
    if (this.#clock() - attempts.since >= WINDOW_MS) {
      this.#attempts.delete(key);
      return false;
    }
    return attempts.failures >= this.#most;
  }

  add(key: string): void {
    const attempts = this.#attempts.get(key);
    if (attempts && this.#clock() - attempts.since < WINDOW_MS) {
      attempts.failures += 1;
      return;
    }
    this.#attempts.delete(key);
    this.#attempts.set(key, { failures: 1, since: this.#clock() });
    forgetOldest(this.#attempts);
  }
}

/** Bounds the memory that an attacker with many addresses can take. */
function forgetOldest(keys: Map<string, unknown>): void {
  if (keys.size <= MAX_ADDRESSES) return;
  const oldest = keys.keys().next().value;
  if (oldest !== undefined) keys.delete(oldest);
}

/**
 * Slows the guessing of passwords: each client address has a number of wrong tries a minute, and so has each user name,
 * from wherever they come. An address that was once right for a user name is not shut out by others' guesses at it.
 */
export class AttemptThrottle {
  readonly #ofAddress: Failures;
  readonly #ofName: Failures;
  readonly #right = new Map<string, true>();

  constructor(clock: () => number) {
    this.#ofAddress = new Failures(MAX_FAILURES, clock);
    this.#ofName = new Failures(MAX_FAILURES_OF_NAME, clock);
  }

  /** Whether the address has to wait before it may try this user name. */
  isClosed(address: string, name: string): boolean {
    if (this.#ofAddress.isFull(address)) return true;
    return this.#ofName.isFull(name) && !this.#right.has(`${address} ${name}`);
  }

  failed(address: string, name: string): void {
    this.#ofAddress.add(address);
    this.#ofName.add(name);
  }

  succeeded(address: string, name: string): void {
    const pair = `${address} ${name}`;
    this.#right.delete(pair);
    this.#right.set(pair, true);
    forgetOldest(this.#right);
  }
}

/** Seconds that a throttled client is asked to wait. */
export const RETRY_AFTER_SECONDS = WINDOW_MS / 1000;
