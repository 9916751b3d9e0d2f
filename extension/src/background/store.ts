import { type Intent, readIntent, writeIntent } from "./intent.ts";

/** The person's intent, in memory and on disk. */
export class Store {
  #intent: Intent;
  #written: Promise<void> = Promise.resolve();

  private constructor(intent: Intent) {
    this.#intent = intent;
  }

  static async open(): Promise<Store> {
    return new Store(await readIntent());
  }

  get intent(): Intent {
    return this.#intent;
  }

  /** Writes one after the other, so that the last change is the one that stays. */
  change(part: Partial<Intent>): void {
    this.#intent = { ...this.#intent, ...part };
    const next = this.#intent;
    this.#written = this.#written.catch(() => {}).then(() => writeIntent(next));
  }
}
