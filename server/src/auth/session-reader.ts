import { createHash } from "node:crypto";
import type { Auth } from "./auth.ts";

/** Whose session a cookie is. */
export interface KnownSession {
  readonly userId: string;
  readonly sessionId: string;
}

/** How long a session that another process ended may still be believed; this process's own ends count at once. */
const FRESH_MS = 2_000;

const MAX_KNOWN = 10_000;

/**
 * Reads sessions, from memory where it can: a page asks for several things at a time, and each look into the database
 * costs more than most answers.
 */
export class SessionReader {
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly session: KnownSession; readonly readAt: number }>();
  /** Counts what was forgotten, so that a look that began before is not remembered after. */
  #generation = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @param cookie the whole header; null when no living session is in it. */
  async read(auth: Auth, cookie: string): Promise<KnownSession | null> {
    const key = createHash("sha256").update(cookie).digest("base64");
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() - known.readAt < FRESH_MS) return known.session;
    const generation = this.#generation;
    const readAt = this.#now();
    const found = await auth.api.getSession({
      headers: new Headers({ cookie }),
      query: { disableRefresh: true },
    });
    if (found === null) return null;
    const session = { userId: found.user.id, sessionId: found.session.id };
    if (generation === this.#generation) this.#remember(key, session, readAt);
    return session;
  }

  /** To be called when any session has ended or any account has changed. */
  forgetAll(): void {
    this.#generation += 1;
    this.#known.clear();
  }

  #remember(key: string, session: KnownSession, readAt: number): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, { session, readAt });
  }
}
