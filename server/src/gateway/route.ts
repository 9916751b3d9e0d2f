import { type FailedHop, ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import { candidateExits } from "@atlantic/shared/exits/candidates.ts";
import { noExitHere } from "@atlantic/shared/exits/no-exit-here.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { ExitSessions } from "./exit-sessions.ts";
import { failoverRule } from "./failover-rules.ts";
import type { StickySession } from "./sticky-session.ts";
import type { ChosenExit } from "./upstreams/upstream.ts";
import type { WatchedUpstream } from "./upstreams/watched-upstream.ts";

/** More than this many exits are tried for nobody: the target is the likelier culprit by then. */
const MAX_ATTEMPTS = 4;

export interface RouteWish {
  readonly exit: ExitSelector;
  readonly session: StickySession | undefined;
  /** Only exits that carry datagrams will do. */
  readonly datagrams: boolean;
}

/** The way of one flow: the exit that it tries now, those that may stand in, and what became of those before. */
export class Route {
  readonly #upstreams: readonly WatchedUpstream[];
  readonly #sessions: ExitSessions;
  readonly #wish: RouteWish;
  readonly #first: string | undefined;
  #session: StickySession | undefined;
  #exit: ChosenExit | undefined;
  #at = 0;
  #triedAgainAt = -1;
  #hops: FailedHop[] | undefined;
  #resting: string | undefined;
  #refusal: ProxyError | undefined;
  #moved = false;

  /** @param upstreams in the order to try; only those that the wish allows */
  constructor(upstreams: readonly WatchedUpstream[], sessions: ExitSessions, wish: RouteWish) {
    this.#sessions = sessions;
    this.#wish = wish;
    this.#session = wish.session;
    this.#first = upstreams[0]?.name;
    this.#upstreams = boundFirst(upstreams, wish.session);
    this.#exit = wish.session?.lost ? undefined : this.#choose();
  }

  /**
   * The one to try now; after success the one that it leaves by.
   * @throws ProxyError when there is none at all: `problem` says why
   */
  get exit(): ChosenExit {
    if (this.#exit === undefined) throw this.problem;
    return this.#exit;
  }

  /** The same as `exit`, undefined where there is none. */
  get firstExit(): ChosenExit | undefined {
    return this.#exit;
  }

  /** Why there is no exit. */
  get problem(): ProxyError {
    if (this.#wish.session?.lost) return new ProxyError("session_lost");
    if (this.#resting !== undefined) {
      const sentence = `The upstream "${this.#resting}" failed too often and is left alone for a moment.`;
      return new ProxyError("upstream_unreachable", sentence);
    }
    if (this.#wish.datagrams) {
      return new ProxyError(
        "command_unsupported",
        "The exits that fit carry no UDP. Use TCP, or another exit.",
      );
    }
    return this.#refusal ?? new ProxyError("no_exit", noExitHere(this.#wish.exit));
  }

  /** The session it is in now: another than at first when its exit was lost and it moved. */
  get session(): StickySession | undefined {
    return this.#session;
  }

  /** Whether the session has another address than before this flow, or will have it by the exit of now. */
  get sessionMoved(): boolean {
    const bound = this.#session?.upstream;
    return this.#moved || (bound !== undefined && bound !== this.#exit?.upstream);
  }

  /** What was tried in vain, in this order. */
  get attempts(): readonly FailedHop[] {
    return this.#hops ?? noHops;
  }

  /** How long the exit of now may take: where another could stand in, not all that is left. */
  timeoutMs(leftMs: number): number {
    const spare = this.#at + 1 < this.#upstreams.length && !this.#wish.session?.mustStay;
    return spare ? leftMs / 2 : leftMs;
  }

  /** The flow dials, once more maybe: what an earlier dial tried in vain is another story. */
  start(): void {
    this.#hops = undefined;
    this.#triedAgainAt = -1;
    this.#moved = false;
  }

  /** Nothing will be tried: the upstream that was on trial with this flow can be tried with another. */
  givenUp(): void {
    if (this.#exit !== undefined) this.#upstreams[this.#at]?.health?.found("nothing");
  }

  /** What a dial's error means, in our words. */
  explain(error: unknown): ProxyError {
    const reason = this.exit.explain(error);
    // For a session that has an address, and may have no other, no exit is no exit any more.
    const isLost = reason.code === "no_exit" && this.#wish.session?.mustStay;
    return isLost ? new ProxyError("session_lost", undefined, { cause: reason }) : reason;
  }

  /**
   * The exit of now could not do it.
   * @param error what was explained
   * @param goOn whether there is time for another one
   * @returns the one to try next; undefined when the error goes to the client, which then names all that was tried
   */
  failed(error: ProxyError, goOn = true): ChosenExit | undefined {
    const rule = failoverRule(error.code);
    const upstream = this.#upstreams[this.#at];
    upstream?.health?.found(rule.finding);
    if (upstream) upstream.attempts.failed[rule.finding] += 1;
    this.#hops ??= [];
    this.#hops.push({ upstream: this.#exit?.upstream ?? "", error });
    if (this.#wish.session?.mustStay) {
      if (error.code === "session_lost") this.#sessions.lose(this.#wish.session);
    } else if (goOn && rule.next !== "none" && this.#hops.length < MAX_ATTEMPTS) {
      const next = this.#next(rule.next);
      if (next) {
        this.#exit = next;
        return next;
      }
    }
    if (this.#hops.length > 1) error.hops = this.#hops;
    return undefined;
  }

  /** The exit of now has reached the target. */
  succeeded(): void {
    const upstream = this.#upstreams[this.#at];
    const name = upstream?.name;
    upstream?.health?.found("well");
    if (upstream) upstream.attempts.reached += 1;
    const session = this.#session;
    if (session === undefined || name === undefined || session.upstream === name) return;
    if (session.upstream !== undefined) this.#moved = true;
    this.#sessions.bind(session, name, this.#first === name);
  }

  #next(how: "again" | "other"): ChosenExit | undefined {
    if (how === "again" && this.#triedAgainAt !== this.#at) {
      this.#triedAgainAt = this.#at;
      this.#moveSession();
      const again = this.#choose();
      if (again) return again;
    }
    this.#at += 1;
    return this.#choose();
  }

  #moveSession(): void {
    if (this.#session === undefined) return;
    if (this.#session.upstream !== undefined) this.#moved = true;
    this.#session = this.#sessions.move(this.#session);
  }

  /** The first exit from here on that fits and whose upstream is well; `#at` is where that is. */
  #choose(): ChosenExit | undefined {
    for (; this.#at < this.#upstreams.length; this.#at++) {
      const upstream = this.#upstreams[this.#at];
      const exit = upstream && this.#chooseFrom(upstream);
      if (exit === undefined) continue;
      if (upstream?.health?.mayTry() ?? true) return exit;
      this.#resting ??= upstream?.name;
    }
    return undefined;
  }

  #chooseFrom(upstream: WatchedUpstream): ChosenExit | undefined {
    const { exit } = this.#wish;
    if (exit.countries === undefined) return this.#ask(upstream, exit);
    for (const single of candidateExits(exit, seedOf(this.#session))) {
      const chosen = this.#ask(upstream, single);
      if (chosen) return chosen;
    }
    return undefined;
  }

  #ask({ choose }: WatchedUpstream, exit: ExitSelector): ChosenExit | undefined {
    try {
      const chosen = choose(exit, this.#session);
      return this.#wish.datagrams && chosen?.datagrams === undefined ? undefined : chosen;
    } catch (error) {
      const refusal = proxyErrorOf(error);
      if (refusal.code !== "no_exit") throw refusal;
      // What the first one cannot do is the best hint for the client.
      this.#refusal ??= refusal;
      return undefined;
    }
  }
}

const noHops: readonly FailedHop[] = [];

/** A session's own upstream comes first, and is the only one where its address must not change. */
function boundFirst(
  upstreams: readonly WatchedUpstream[],
  session: StickySession | undefined,
): readonly WatchedUpstream[] {
  const bound = session?.upstream;
  if (bound === undefined || session === undefined) return upstreams;
  if (upstreams[0]?.name === bound && !session.mustStay) return upstreams;
  const own = upstreams.filter(({ name }) => name === bound);
  return session.mustStay ? own : [...own, ...upstreams.filter(({ name }) => name !== bound)];
}

function seedOf(session: StickySession | undefined): number {
  return session === undefined
    ? Math.floor(Math.random() * 0xffff_ffff)
    : Number.parseInt(session.key.slice(0, 8), 16);
}
