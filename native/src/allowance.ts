/**
 * Bytes that may still be moved: a lease out of an account's balance, shared by all its flows in this process. What is
 * taken is gone; nothing moves that was not taken first.
 */
export interface Allowance {
  /** `true` when all of `bytes` could be taken now; else a promise: true once they were, false when it was closed. */
  take(bytes: number): true | Promise<boolean>;
  /** A lease has come. */
  add(bytes: number): void;
  /** Takes all that is left, to give it back to the balance. @returns how many bytes that were */
  reclaim(): number;
  /** Bytes that can be taken now. */
  readonly remaining: number;
  /** From now on `onLow` is said when less than this is left; leases grow and shrink with an account's speed. */
  setLowBelow(bytes: number): void;
  /** Everything that waits, and everything to come, is refused. */
  close(): void;
}

/** What an allowance tells whoever refills it. */
export interface AllowanceEvents {
  /** Less than `lowBelow` bytes are left; said once until more was added. */
  readonly onLow: () => void;
  /** Somebody waits for more than there is; said once until more was added. */
  readonly onDry: () => void;
}

interface Waiting {
  readonly bytes: number;
  readonly settle: (granted: boolean) => void;
}

/** An allowance of this thread alone. Nothing is in it until something is added. */
export class LocalAllowance implements Allowance {
  #lowBelow: number;
  readonly #events: AllowanceEvents;
  readonly #waiting: Waiting[] = [];
  #remaining = 0;
  #saidLow = false;
  #saidDry = false;
  #closed = false;

  constructor(lowBelow: number, events: AllowanceEvents) {
    this.#lowBelow = lowBelow;
    this.#events = events;
  }

  get remaining(): number {
    return this.#remaining;
  }

  setLowBelow(bytes: number): void {
    this.#lowBelow = bytes;
  }

  take(bytes: number): true | Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    if (this.#waiting.length === 0 && bytes <= this.#remaining) {
      this.#spend(bytes);
      return true;
    }
    return new Promise((settle) => {
      this.#waiting.push({ bytes, settle });
      this.#sayDry();
    });
  }

  add(bytes: number): void {
    this.#remaining += bytes;
    this.#saidLow = false;
    this.#saidDry = false;
    // First come, first served: a small flow must not starve a large one.
    for (let first = this.#waiting[0]; first && first.bytes <= this.#remaining; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#spend(first.bytes);
      first.settle(true);
    }
    if (this.#waiting.length > 0) this.#sayDry();
  }

  reclaim(): number {
    const left = this.#remaining;
    this.#remaining = 0;
    return left;
  }

  close(): void {
    this.#closed = true;
    for (const { settle } of this.#waiting.splice(0)) settle(false);
  }

  #spend(bytes: number): void {
    this.#remaining -= bytes;
    if (this.#remaining >= this.#lowBelow || this.#saidLow) return;
    this.#saidLow = true;
    this.#events.onLow();
  }

  #sayDry(): void {
    if (this.#saidDry) return;
    this.#saidDry = true;
    this.#events.onDry();
  }
}

/** For flows that nobody pays for. */
export const unlimitedAllowance: Allowance = {
  take: () => true,
  add: () => {},
  reclaim: () => 0,
  remaining: Number.POSITIVE_INFINITY,
  setLowBelow: () => {},
  close: () => {},
};
