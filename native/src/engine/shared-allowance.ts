import type { Allowance, AllowanceEvents } from "../allowance.ts";
import type { NativeAllowanceState } from "./native-addon.ts";

const TAKEN = 1;
const NOW_LOW = 2;

interface Waiting {
  readonly bytes: number;
  readonly settle: (granted: boolean) => void;
}

/**
 * An allowance that flows on the engine's thread and on this one take from. What waits on this thread comes first: an
 * engine's flow takes any part, and would leave a larger wish waiting for ever.
 */
export class SharedAllowance implements Allowance {
  readonly #state: NativeAllowanceState;
  readonly #events: AllowanceEvents;
  readonly #wake: () => void;
  readonly #waiting: Waiting[] = [];
  #closed = false;
  readonly handle: number;

  /** @param wake tells the engine that there is more, or none any more */
  constructor(state: NativeAllowanceState, events: AllowanceEvents, wake: () => void) {
    this.#state = state;
    this.#events = events;
    this.#wake = wake;
    this.handle = state.handle;
  }

  get remaining(): number {
    return this.#state.remaining;
  }

  setLowBelow(bytes: number): void {
    this.#state.setLowBelow(bytes);
  }

  take(bytes: number): true | Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    if (this.#waiting.length === 0 && this.#spend(bytes)) return true;
    return new Promise((settle) => {
      this.#waiting.push({ bytes, settle });
      this.#state.claim(true);
      this.#sayDry();
    });
  }

  add(bytes: number): void {
    this.#state.add(bytes);
    this.#serve();
    if (this.#waiting.length === 0 && this.#state.isWaitedFor) this.#wake();
  }

  reclaim(): number {
    return this.#state.reclaim();
  }

  close(): void {
    this.#closed = true;
    this.#state.close();
    this.#state.claim(false);
    for (const { settle } of this.#waiting.splice(0)) settle(false);
    this.#wake();
  }

  /** The engine's reports. */
  reportLow(): void {
    if (!this.#closed) this.#events.onLow();
  }

  reportDry(): void {
    if (!this.#closed) this.#events.onDry();
  }

  /** Bytes came back while somebody waits here. Until that is served the engine's flows get nothing: they are let be. */
  reportReturned(): void {
    this.#serve();
    if (this.#waiting.length === 0) this.#wake();
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first && this.#spend(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      first.settle(true);
    }
    if (this.#waiting.length > 0) this.#sayDry();
    else this.#state.claim(false);
  }

  #spend(bytes: number): boolean {
    const answer = this.#state.take(bytes);
    if (answer & NOW_LOW) this.#events.onLow();
    return (answer & TAKEN) !== 0;
  }

  #sayDry(): void {
    if (this.#state.isNewlyDry()) this.#events.onDry();
  }
}
