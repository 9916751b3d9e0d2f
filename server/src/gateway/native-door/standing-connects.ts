import {
  type CarrierDoor,
  type DialPlan,
  handleOfAllowance,
  handleOfRate,
  isNativePlan,
  type StandingReply,
} from "@atlantic/native";
import type { FlowLimits } from "../flow-limits.ts";
import type { AdmittedFlow } from "../flow-opener.ts";
import type { ProxyRequest } from "../http/request.ts";
import type { ChosenExit } from "../upstreams/upstream.ts";
import type { SocksLogin } from "./known-logins.ts";

/** How long, and for how many clients, a decision stands: no more than that comes of it while this thread is busy. */
const LIVES_MS = 1_000;
const MAX_USES = 256;
/** Nobody is shown later than this by a decision of before. */
const FORGET_MS = 60_000;

/** What clients ask: the same object for all that say the same. */
export type Asked =
  | { readonly protocol: "connect"; readonly request: ProxyRequest }
  | { readonly protocol: "socks5"; readonly login: SocksLogin; readonly host: string; readonly port: number };

/** What was decided in advance. */
export interface StandingDecision {
  readonly asked: Asked;
  readonly head: Buffer;
  readonly exit: ChosenExit;
  readonly limits: FlowLimits;
  readonly plan: DialPlan;
  readonly since: number;
}

/** A client got what it asked for. */
export interface GrantedConnect {
  readonly asked: Asked;
  /** The header section, or all that was said by SOCKS5, as the client said it. */
  readonly head: Buffer;
  /** The client's address. */
  readonly client: string;
  readonly admitted: AdmittedFlow;
  /** What it was told. */
  readonly reply: () => StandingReply;
  /** How many others may get the same. */
  readonly uses: number;
}

/** Times in milliseconds. */
interface StandingTimes {
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
}

interface Latest {
  readonly number: number;
  readonly since: number;
  /** How many may use it before another one is made. */
  left: number;
}

interface Known {
  readonly exit: ChosenExit;
  latest: Latest | undefined;
}

/**
 * Decides about requests for tunnels in advance, by CONNECT and by SOCKS5: whoever says what somebody said just now, from
 * the same address, is carried by the engine at once. About each is decided all the same, a moment later: see
 * docs/decisions/standing-connects.md.
 */
export class StandingConnects {
  readonly #door: Pick<CarrierDoor, "standConnect">;
  readonly #times: StandingTimes;
  readonly #decisions = new Map<number, StandingDecision>();
  #known = new WeakMap<Asked, Known>();
  #numbers = 0;

  constructor(door: Pick<CarrierDoor, "standConnect">, times: StandingTimes) {
    this.#door = door;
    this.#times = times;
  }

  /** The next client that asks the same may be carried at once, when this one's exit was the last one's too. */
  granted(connect: GrantedConnect): void {
    const { asked, admitted } = connect;
    const { exit } = admitted.route;
    const known = this.#known.get(asked);
    if (known?.exit !== exit) this.#known.set(asked, { exit, latest: undefined });
    else if (!isFresh(known.latest)) known.latest = this.#stand(connect);
  }

  /** The decision by which a client is being carried; undefined: it is too old to be known. */
  used(number: number): StandingDecision | undefined {
    const decision = this.#decisions.get(number);
    const latest = decision && this.#known.get(decision.asked)?.latest;
    if (latest?.number === number) latest.left -= 1;
    return decision;
  }

  /** What was decided may not hold any more: all are asked about again. */
  withdraw(): void {
    this.#door.standConnect(null);
    this.#known = new WeakMap();
  }

  #stand({ asked, head, client, admitted, ...granted }: GrantedConnect): Latest | undefined {
    const { flow, route, session } = admitted;
    const plan = planNow(admitted);
    if (plan === undefined) return undefined;
    const number = ++this.#numbers;
    const since = performance.now();
    const uses = Math.min(MAX_USES, granted.uses);
    this.#forget(since - FORGET_MS);
    this.#decisions.set(number, { asked, head, exit: route.exit, limits: flow.limits, plan, since });
    const leftMs = session === undefined ? LIVES_MS : session.expiresAt - Date.now();
    this.#door.standConnect({
      ...this.#times,
      connectMs: route.timeoutMs(this.#times.connectMs),
      number,
      livesMs: Math.max(0, Math.min(LIVES_MS, leftMs)),
      uses,
      client,
      head,
      reply: granted.reply(),
      plan,
      allowance: handleOfAllowance(flow.limits.allowance) ?? 0,
      rate: handleOfRate(flow.limits.rate) ?? 0,
    });
    return { number, since, left: uses / 2 };
  }

  #forget(before: number): void {
    for (const [number, { since }] of this.#decisions) {
      if (since >= before) return;
      this.#decisions.delete(number);
    }
  }
}

/** With half of its time or of its uses behind it another one is made. */
function isFresh(latest: Latest | undefined): boolean {
  return latest !== undefined && latest.left > 0 && performance.now() - latest.since < LIVES_MS / 2;
}

/** How the engine reaches a target, by its addresses as they were checked just now; undefined: that is not at hand. */
export function planNow({ route, target }: AdmittedFlow): DialPlan | undefined {
  try {
    const plan = route.exit.plan(target);
    if (!(plan instanceof Promise)) return isNativePlan(plan) ? plan : undefined;
    plan.catch(() => {});
  } catch {
    // Whoever asks the same next is told why.
  }
  return undefined;
}
