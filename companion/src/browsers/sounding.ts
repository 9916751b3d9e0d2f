/**
 * Asks a browser whether it has told everything, one question at a time. Whoever asks while a question is out shares
 * the next one: an answer counts only for what had happened before its question.
 */
export class Sounding {
  readonly #ask: () => Promise<unknown>;
  #out: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(ask: () => Promise<unknown>) {
    this.#ask = ask;
  }

  /** Resolves with the answer to a question that was asked after this call; a refusal is an answer. */
  take(): Promise<void> {
    if (this.#next) return this.#next;
    if (!this.#out) return this.#start();
    this.#next = this.#out.then(() => {
      this.#next = null;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    this.#out = this.#ask().then(ignore, ignore);
    void this.#out.then(() => {
      if (!this.#next) this.#out = null;
    });
    return this.#out;
  }
}

function ignore(): void {}
