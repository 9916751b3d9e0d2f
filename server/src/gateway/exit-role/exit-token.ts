import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** What one flow asks of an own exit. Whoever does not hold the key can neither ask nor answer. */
export interface ExitAsk {
  readonly host: string;
  readonly port: number;
  /** The address to leave from; null for any of the exit's. */
  readonly from: string | null;
}

/** How far the two machines' clocks may be apart, in milliseconds. */
const CLOCK_MS = 120_000;
/** Each use of a token is remembered for as long as it could be used again. */
const MAX_SEEN = 2_000_000;

/** A token for one flow: it is good for this target, for a short time, and once. */
export function signAsk(key: Uint8Array, ask: ExitAsk, now: number): string {
  const nonce = randomBytes(12).toString("base64url");
  return `${now}.${nonce}.${digest(key, "ask", ask, `${now}.${nonce}`)}`;
}

/** What the exit proves in return that it holds the key as well. */
export function proofOf(key: Uint8Array, token: string): string {
  return createHmac("sha256", key).update(`atlantic exit proof\n${token}`).digest("base64url");
}

function digest(key: Uint8Array, what: string, { host, port, from }: ExitAsk, stamp: string): string {
  return createHmac("sha256", key)
    .update(`atlantic exit ${what}\n${stamp}\n${host}\n${port}\n${from ?? ""}`)
    .digest("base64url");
}

/** Checks tokens; each is taken once. */
export class ExitTokens {
  readonly #key: Uint8Array;
  readonly #clock: () => number;
  /** Tokens by the moment until which they must be remembered, oldest first. */
  readonly #seen = new Map<string, number>();

  constructor(key: Uint8Array, clock: () => number = Date.now) {
    this.#key = key;
    this.#clock = clock;
  }

  /** Whether this token is for this, and is shown for the first time. */
  accept(token: string, ask: ExitAsk): boolean {
    const [stamp = "", nonce = "", mac = ""] = token.split(".");
    const now = this.#clock();
    const at = /^\d{13}$/.test(stamp) ? Number(stamp) : Number.NaN;
    if (!(Math.abs(now - at) <= CLOCK_MS)) return false;
    const expected = Buffer.from(digest(this.#key, "ask", ask, `${stamp}.${nonce}`));
    const shown = Buffer.from(mac);
    if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) return false;
    this.#forget(now);
    // Full of what is still valid: rather none than one twice.
    if (this.#seen.has(nonce) || this.#seen.size >= MAX_SEEN) return false;
    this.#seen.set(nonce, at + CLOCK_MS);
    return true;
  }

  #forget(now: number): void {
    for (const [nonce, until] of this.#seen) {
      if (until >= now) return;
      this.#seen.delete(nonce);
    }
  }
}
