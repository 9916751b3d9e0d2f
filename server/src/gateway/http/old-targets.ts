const REMEMBERED_MS = 600_000;
const MAX_REMEMBERED = 10_000;

/** Targets that have answered in HTTP/1.0: they cannot send 100 (Continue) (RFC 9110 §10.1.1). */
export class OldTargets {
  readonly #until = new Map<string, number>();

  /** @param now milliseconds of a clock that never goes back */
  add(authority: string, now: number): void {
    if (this.#until.size >= MAX_REMEMBERED) this.#until.clear();
    this.#until.set(authority, now + REMEMBERED_MS);
  }

  has(authority: string, now: number): boolean {
    return (this.#until.get(authority) ?? 0) > now;
  }
}
