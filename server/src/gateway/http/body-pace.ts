/** How slow a request's body may be. */
export interface PaceLimits {
  /** How long a body may take before it is measured, in milliseconds. */
  readonly bodyGraceMs: number;
  /** How much of it must come in a second from then on, on average. */
  readonly bodyBytesPerSecond: number;
}

/** Measures how fast a client sends a body; time in which it is this side that waits does not count. */
export class BodyPace {
  readonly #limits: PaceLimits;
  #begun: number;
  #lastLook: number;

  /** @param now milliseconds, of the clock that `isSlow` is asked with */
  constructor(now: number, limits: PaceLimits) {
    this.#limits = limits;
    this.#begun = now;
    this.#lastLook = now;
  }

  /**
   * Asked about once a second.
   * @param bodyBytes that have come so far
   * @param excused whether it was not for the client to send
   */
  isSlow(now: number, bodyBytes: number, excused: boolean): boolean {
    if (excused) this.#begun += Math.max(0, now - this.#lastLook);
    this.#lastLook = Math.max(now, this.#lastLook);
    const { bodyGraceMs, bodyBytesPerSecond } = this.#limits;
    return now - this.#begun > bodyGraceMs + (bodyBytes / bodyBytesPerSecond) * 1_000;
  }
}
