import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { ChosenExit } from "./upstreams/upstream.ts";

/** An exit that did not bring the flow to its target. */
export interface FailedAttempt {
  readonly exit: ChosenExit;
  readonly error: ProxyError;
}

/** The way of one flow: the exit that it tries now, and what became of those before. */
export class Route {
  #exit: ChosenExit;
  readonly #attempts: FailedAttempt[] = [];

  constructor(exit: ChosenExit) {
    this.#exit = exit;
  }

  /** The one to try now; after success the one that it leaves by. */
  get exit(): ChosenExit {
    return this.#exit;
  }

  /** What was tried in vain, in this order. */
  get attempts(): readonly FailedAttempt[] {
    return this.#attempts;
  }

  /**
   * The exit of now could not do it.
   * @param error what it explained
   * @returns the one to try next; undefined when the error goes to the client
   */
  failed(error: ProxyError): ChosenExit | undefined {
    this.#attempts.push({ exit: this.#exit, error });
    return undefined;
  }

  /** The exit of now has reached the target. */
  succeeded(): void {}
}
