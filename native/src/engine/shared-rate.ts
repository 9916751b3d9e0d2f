import type { Rate } from "../rate.ts";
import type { NativeRateState } from "./native-addon.ts";

const TICK_MS = 20;

/** A token bucket that flows on the engine's thread and on this one take from. */
export class SharedRate implements Rate {
  readonly #state: NativeRateState;
  readonly #waiting: { readonly bytes: number; readonly settle: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly handle: number;

  constructor(state: NativeRateState) {
    this.#state = state;
    this.handle = state.handle;
  }

  take(bytes: number): true | Promise<void> {
    if (this.#waiting.length === 0 && this.#state.take(bytes)) return true;
    return new Promise((settle) => {
      this.#waiting.push({ bytes, settle });
      this.#timer ??= setTimeout(() => this.#serve(), TICK_MS);
    });
  }

  set(bytesPerSecond: number | null): void {
    this.#state.set(bytesPerSecond ?? -1);
    this.#serve();
  }

  #serve(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (let first = this.#waiting[0]; first && this.#state.take(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      first.settle();
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#serve(), TICK_MS);
  }
}
