import { createHash, randomBytes } from "node:crypto";

export const TICKET_LIFETIME_MS = 2 * 60_000;

/** Single-use tickets that pair a browser without a person's hand, for those who may change policy anyway. */
export class Tickets {
  readonly #expiry = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  issue(): { ticket: string; expiresAt: number } {
    for (const [digest, expiresAt] of this.#expiry) if (expiresAt <= this.#now()) this.#expiry.delete(digest);
    const ticket = randomBytes(24).toString("hex");
    const expiresAt = this.#now() + TICKET_LIFETIME_MS;
    this.#expiry.set(digestOf(ticket), expiresAt);
    return { ticket, expiresAt };
  }

  /** Whether the ticket could be redeemed now. */
  isGood(ticket: string): boolean {
    return (this.#expiry.get(digestOf(ticket)) ?? 0) > this.#now();
  }

  /** Whether the ticket is good; using it up. */
  redeem(ticket: string): boolean {
    const digest = digestOf(ticket);
    const expiresAt = this.#expiry.get(digest);
    this.#expiry.delete(digest);
    return expiresAt !== undefined && expiresAt > this.#now();
  }
}

function digestOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("hex");
}
