import { createHmac, randomBytes } from "node:crypto";
import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { LiveSession } from "./upstreams/upstream.ts";

const MAX_SESSIONS = 100_000;

interface NumberedSession extends LiveSession {
  /** How many sessions of this name there were before. */
  readonly number: number;
}

/**
 * The sticky sessions of all credentials. A session begins with its first connection and lives for as long as the
 * user name asked; after that the same id begins another one, with another key. Keys depend on nothing else, so that a
 * restart of the gateway does not move anybody.
 */
export class ExitSessions {
  readonly #key: Uint8Array;
  readonly #clock: () => number;
  readonly #sessions = new Map<string, NumberedSession>();
  /** A wish that was read once is asked for again and again. */
  readonly #lastOfWish = new WeakMap<GatewayUsername, { credentialId: string; session: LiveSession }>();

  /** @param parts.key secret, so that nobody can compute another's session key. Default: random for this process. */
  constructor(parts: { clock: () => number; key?: Uint8Array }) {
    this.#key = parts.key ?? randomBytes(32);
    this.#clock = parts.clock;
  }

  /** The session that a user name asks for; undefined where it asks for none. */
  of(credentialId: string, wish: GatewayUsername): LiveSession | undefined {
    if (wish.session === undefined) return undefined;
    const last = this.#lastOfWish.get(wish);
    if (last && last.credentialId === credentialId && last.session.expiresAt > this.#clock())
      return last.session;
    const session = this.#find(credentialId, wish, wish.session);
    this.#lastOfWish.set(wish, { credentialId, session });
    return session;
  }

  #find(credentialId: string, { exit }: GatewayUsername, session: ExitSession): LiveSession {
    // Where the exit differs the session does, as with every provider.
    const name = JSON.stringify([credentialId, session.id, Object.entries(exit).sort(), session.mode]);
    const now = this.#clock();
    const live = this.#sessions.get(name);
    if (live && live.expiresAt > now) return live;
    return this.#begin(name, now, (live?.number ?? -1) + 1, session);
  }

  #begin(
    name: string,
    now: number,
    number: number,
    { lifetimeMinutes, mode }: { lifetimeMinutes: number; mode: LiveSession["mode"] },
  ): LiveSession {
    const key = createHmac("sha256", this.#key).update(`${name} ${number}`).digest("hex");
    const session = { key, number, lifetimeMinutes, mode, expiresAt: now + lifetimeMinutes * 60_000 };
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    if (this.#sessions.size > MAX_SESSIONS) {
      const oldest = this.#sessions.keys().next().value;
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    return session;
  }
}
