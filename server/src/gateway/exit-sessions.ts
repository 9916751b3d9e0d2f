import { createHash, createHmac, randomBytes } from "node:crypto";
import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { SessionBeginning, SharedSessions } from "./shared-sessions.ts";
import { StickySession } from "./sticky-session.ts";

const MAX_SESSIONS = 100_000;

/**
 * The sticky sessions of all credentials. A session begins with its first connection and lives for as long as the
 * user name asked; after that the same id begins another one, with another key. Keys depend on nothing else, so that
 * neither a restart nor another process of the gateway moves anybody.
 */
export class ExitSessions {
  readonly #key: Uint8Array;
  readonly #clock: () => number;
  readonly #shared: SharedSessions | undefined;
  readonly #sessions = new Map<string, StickySession>();
  /** One question at a time about one session: those that come together begin it together. */
  readonly #beginning = new Map<string, Promise<StickySession>>();
  readonly #most: number;
  /** A wish that was read once is asked for again and again. */
  readonly #lastOfWish = new WeakMap<GatewayUsername, { credentialId: string; session: StickySession }>();

  /**
   * @param parts.key secret, so that nobody can compute another's session key. Default: random for this process.
   * @param parts.most so many are remembered; those that began longest ago are forgotten first.
   * @param parts.shared where several processes agree on beginnings. Default: this process is the only one.
   */
  constructor(parts: { clock: () => number; key?: Uint8Array; shared?: SharedSessions; most?: number }) {
    this.#key = parts.key ?? randomBytes(32);
    this.#clock = parts.clock;
    this.#shared = parts.shared;
    this.#most = parts.most ?? MAX_SESSIONS;
    parts.shared?.onChange((name, now) => this.#adopt(name, now));
  }

  /** How many are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The session that a user name asks for; undefined where it asks for none. At once, unless it begins elsewhere too. */
  of(credentialId: string, wish: GatewayUsername): StickySession | Promise<StickySession> | undefined {
    if (wish.session === undefined) return undefined;
    const last = this.#lastOfWish.get(wish);
    if (last && last.credentialId === credentialId && this.#isLive(last.session)) return last.session;
    const session = this.#find(sessionName(credentialId, wish, wish.session), wish.session);
    if (!(session instanceof Promise)) this.#lastOfWish.set(wish, { credentialId, session });
    return session;
  }

  /** What is known here of a session, without beginning it. */
  peek(credentialId: string, wish: GatewayUsername): StickySession | undefined {
    if (wish.session === undefined) return undefined;
    const known = this.#sessions.get(sessionName(credentialId, wish, wish.session));
    return known && this.#isLive(known) ? known : undefined;
  }

  /** A session's address is lost: from now on it has another one, until it ends as it would have. */
  move(session: StickySession): StickySession {
    const current = this.#sessions.get(session.name);
    // Another connection of the session has found out before.
    if (current && current !== session && current.number > session.number) return current;
    const moved = this.#keep(session.name, { ...session.beginning(), number: session.number + 1 }, session);
    session.over = true;
    this.#shared?.move(session.name, moved.number);
    return moved;
  }

  /** A session that must not have another address has lost its own: it fails from now on. */
  lose(session: StickySession): void {
    session.lost = true;
    this.#shared?.lose(session.name);
  }

  /**
   * The session stays with this upstream from now on.
   * @param isFirst whether every process would try it first: then only a session that must stay needs to be told of
   */
  bind(session: StickySession, upstream: string, isFirst = false): void {
    if (session.upstream === upstream) return;
    const told = !isFirst || session.upstream !== undefined || session.mode !== "flex";
    session.upstream = upstream;
    if (told) this.#shared?.bind(session.name, upstream);
  }

  /** Another process has moved, lost or bound it. */
  #adopt(name: string, { number, lost, upstream }: Omit<SessionBeginning, "expiresAt">): void {
    const known = this.#sessions.get(name);
    if (known === undefined || !this.#isLive(known) || number < known.number) return;
    if (number > known.number) {
      this.#keep(name, { number, lost, upstream, expiresAt: known.expiresAt }, known);
      known.over = true;
      return;
    }
    known.lost ||= lost;
    known.upstream = upstream ?? known.upstream;
  }

  #isLive(session: StickySession): boolean {
    return !session.over && session.expiresAt > this.#clock();
  }

  #find(name: string, wished: ExitSession): StickySession | Promise<StickySession> {
    const known = this.#sessions.get(name);
    if (known && this.#isLive(known)) return known;
    if (this.#shared === undefined) return this.#beginHere(name, wished, known);
    const asked = this.#beginning.get(name) ?? this.#beginShared(this.#shared, name, wished);
    this.#beginning.set(name, asked);
    return asked;
  }

  #beginHere(name: string, wished: ExitSession, before: StickySession | undefined): StickySession {
    const expiresAt = this.#clock() + wished.lifetimeMinutes * 60_000;
    // One address for an id is one address for ever, gone or not.
    const goesOn = wished.mode === "oneip";
    const number = goesOn ? 0 : (before?.number ?? -1) + 1;
    const lost = goesOn && (before?.lost ?? false);
    return this.#keep(
      name,
      { number, expiresAt, lost, upstream: goesOn ? before?.upstream : undefined },
      wished,
    );
  }

  async #beginShared(shared: SharedSessions, name: string, wished: ExitSession): Promise<StickySession> {
    try {
      return this.#keep(name, await shared.begin(name, wished), wished);
    } finally {
      this.#beginning.delete(name);
    }
  }

  #keep(
    name: string,
    beginning: SessionBeginning,
    { lifetimeMinutes, mode }: Pick<ExitSession, "lifetimeMinutes" | "mode">,
  ): StickySession {
    const key = createHmac("sha256", this.#key).update(`${name} ${beginning.number}`).digest("hex");
    const session = new StickySession({ name, key, lifetimeMinutes, mode, ...beginning });
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    if (this.#sessions.size > this.#most) {
      const oldest = this.#sessions.keys().next().value;
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    return session;
  }
}

/** Where the exit differs the session does, as with every provider. */
export function sessionName(
  credentialId: string,
  { exit }: Pick<GatewayUsername, "exit">,
  { id, mode }: Pick<ExitSession, "id" | "mode">,
): string {
  const name = JSON.stringify([credentialId, id, Object.entries(exit).sort(), mode]);
  return createHash("sha256").update(name).digest("base64url");
}
