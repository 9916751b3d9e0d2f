import { randomBytes } from "node:crypto";
import type { SessionView } from "@atlantic/shared/control/messages.ts";
import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { RouteId } from "@atlantic/shared/routing/route.ts";
import { routeIdSchema } from "@atlantic/shared/routing/route.ts";
import { z } from "zod";

const DEFAULT_LIFETIME_MINUTES = 10;

const moment = z.int().nonnegative();

/** A session as it is kept on disk. */
export const keptSessionSchema = z.object({
  routeId: routeIdSchema,
  id: z.string().regex(/^[a-z0-9]{1,25}$/),
  startedAt: moment,
  expiresAt: moment,
});
export type KeptSession = z.infer<typeof keptSessionSchema>;

interface Session extends KeptSession {
  address: string | null;
  addressCheckedAt: number | null;
  problem: string | null;
}

export interface SessionEvents {
  /** A session began, ended or learnt its address. */
  changed(): void;
}

/** The sticky session of each route: renewed when its lifetime is over, replaced when the person rotates it. */
export class SessionBook {
  readonly #sessions = new Map<RouteId, Session>();
  readonly #now: () => number;
  readonly #events: SessionEvents;

  constructor(events: SessionEvents, kept: readonly KeptSession[] = [], now: () => number = Date.now) {
    this.#events = events;
    this.#now = now;
    for (const session of kept) this.#sessions.set(session.routeId, unchecked(session));
  }

  /** The session that a new connection of this route belongs to. */
  current(routeId: RouteId): ExitSession {
    const live = this.#live(routeId) ?? this.#begin(routeId);
    return { id: live.id, lifetimeMinutes: DEFAULT_LIFETIME_MINUTES, mode: "flex" };
  }

  rotate(routeId: RouteId): void {
    this.#begin(routeId);
  }

  /** What a check through the session found. Ignored when the session is no longer the route's. */
  checked(routeId: RouteId, sessionId: string, found: { address: string } | { problem: string }): void {
    const session = this.#sessions.get(routeId);
    if (session?.id !== sessionId) return;
    session.addressCheckedAt = this.#now();
    session.address = "address" in found ? found.address : null;
    session.problem = "problem" in found ? found.problem : null;
    this.#events.changed();
  }

  view(routeId: RouteId): SessionView | undefined {
    const session = this.#live(routeId);
    if (!session) return undefined;
    const { startedAt, expiresAt, address, addressCheckedAt, problem } = session;
    return { routeId, startedAt, expiresAt, address, addressCheckedAt, problem };
  }

  views(): SessionView[] {
    return [...this.#sessions.keys()].flatMap((routeId) => this.view(routeId) ?? []);
  }

  /** For the state file. */
  kept(): KeptSession[] {
    return [...this.#sessions.keys()].flatMap((id) => {
      const session = this.#live(id);
      if (!session) return [];
      const { routeId, id: sessionId, startedAt, expiresAt } = session;
      return [{ routeId, id: sessionId, startedAt, expiresAt }];
    });
  }

  #live(routeId: RouteId): Session | undefined {
    const session = this.#sessions.get(routeId);
    return session && session.expiresAt > this.#now() ? session : undefined;
  }

  #begin(routeId: RouteId): Session {
    const startedAt = this.#now();
    const expiresAt = startedAt + DEFAULT_LIFETIME_MINUTES * 60_000;
    const session = unchecked({ routeId, id: newSessionId(), startedAt, expiresAt });
    this.#forgetExpired();
    this.#sessions.set(routeId, session);
    this.#events.changed();
    return session;
  }

  #forgetExpired(): void {
    for (const routeId of this.#sessions.keys()) if (!this.#live(routeId)) this.#sessions.delete(routeId);
  }
}

function unchecked(session: KeptSession): Session {
  return { ...session, address: null, addressCheckedAt: null, problem: null };
}

/** 16 letters and digits: what every provider takes for a session's name. */
function newSessionId(): string {
  return BigInt(`0x${randomBytes(11).toString("hex")}`)
    .toString(36)
    .padStart(16, "0")
    .slice(-16);
}
