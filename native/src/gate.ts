import type { Socket } from "node:net";
import type { Allowance } from "./allowance.ts";
import type { Rate } from "./rate.ts";

/** What holds a relay's bytes back, both directions together. */
export interface RelayLimits {
  readonly allowance: Allowance;
  readonly rate: Rate;
}

export interface GateParts {
  readonly limits: RelayLimits;
  readonly from: Socket;
  readonly to: Socket;
  /** Moves bytes that were taken. */
  readonly pass: (chunk: Buffer) => void;
  /** Called when the allowance refuses: nothing more will pass. */
  readonly refused: () => void;
}

/** One direction of a relay: lets a chunk pass once it may, and holds its sender back until then. */
export class Gate {
  readonly #parts: GateParts;
  #whenFree: (() => void) | undefined;
  #busy = false;
  #refused = false;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** Whether a chunk waits here: its sender must stay paused, and its end must wait behind it. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Calls back when what waits has passed. */
  whenFree(callback: () => void): void {
    this.#whenFree = callback;
  }

  readonly onChunk = (chunk: Buffer): void => {
    const { limits, from, pass } = this.#parts;
    if (limits.allowance.remaining < chunk.length) {
      this.#hold(from, this.#passInParts(chunk));
      return;
    }
    const granted = limits.allowance.take(chunk.length);
    const paced = granted === true ? limits.rate.take(chunk.length) : undefined;
    if (granted === true && paced === true) pass(chunk);
    else this.#hold(from, this.#passWhen(granted, paced, chunk));
  };

  #hold(from: Socket, passed: Promise<unknown>): void {
    this.#busy = true;
    from.pause();
    passed.then(() => {
      if (this.#refused) return;
      this.#busy = false;
      if (this.#whenFree) this.#whenFree();
      else if (!this.#parts.to.writableNeedDrain) from.resume();
    });
  }

  /** What is left is delivered to the last byte before anything is refused. */
  async #passInParts(chunk: Buffer): Promise<void> {
    const { allowance } = this.#parts.limits;
    let rest = chunk;
    let passed = true;
    while (passed && rest.length > 0) {
      const part = rest.subarray(0, Math.max(1, Math.min(rest.length, allowance.remaining)));
      passed = await this.#passWhen(allowance.take(part.length), undefined, part);
      rest = rest.subarray(part.length);
    }
  }

  async #passWhen(
    granted: true | Promise<boolean>,
    paced: true | Promise<void> | undefined,
    chunk: Buffer,
  ): Promise<boolean> {
    const { limits, from, to, pass, refused } = this.#parts;
    if ((await granted) === false) {
      this.#refused = true;
      refused();
      return false;
    }
    await (paced ?? limits.rate.take(chunk.length));
    if (from.destroyed || to.destroyed) limits.allowance.add(chunk.length);
    else pass(chunk);
    return true;
  }
}
