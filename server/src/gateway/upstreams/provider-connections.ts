import type { Socket } from "node:net";
import {
  askProxy,
  DialError,
  type DialPlan,
  type DialPlanOptions,
  dialPlan,
  openPlan,
} from "@atlantic/native";

/** Longer than this nothing waits unused: providers close silent connections after ten seconds and more. */
const IDLE_MS = 8_000;
/** How far ahead of demand connections are opened: about what opening one takes, TLS included. */
const AHEAD_SECONDS = 0.25;
const MOST_PER_HOP = 32;
const OPEN_TIMEOUT_MS = 5_000;
/** How fast the measured demand forgets: half in this many milliseconds. */
const HALF_LIFE_MS = 2_000;

interface Waiting {
  readonly socket: Socket;
  readonly since: number;
  /** It has spoken, or ended, unasked. */
  readonly drop: () => void;
}

/** Connections to one proxy that are open and were asked for nothing yet. */
interface Hop {
  readonly waiting: Waiting[];
  opening: number;
  /** Connections taken in a second, of late. */
  demand: number;
  measuredAt: number;
  /** The last plan to get here: names may have other addresses by now. */
  plan: DialPlan;
}

/**
 * Opens connections to providers ahead of their use. Only connections that nothing was asked on are kept: one that has
 * carried a tunnel belongs to that tunnel for good.
 */
export class ProviderConnections {
  readonly #hops = new Map<string, Hop>();
  readonly #clock: () => number;
  #closed = false;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Open connections that wait, over all proxies. */
  get waiting(): number {
    return [...this.#hops.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /**
   * Carries a plan out, over a connection that waits where there is one.
   * @throws DialError
   */
  async dial(plan: DialPlan, options: DialPlanOptions): Promise<Socket> {
    const { proxy } = plan;
    if (proxy === undefined || this.#closed) return dialPlan(plan, options);
    const deadline = performance.now() + options.timeoutMs;
    const left = () => ({ ...options, timeoutMs: deadline - performance.now() });
    const hop = this.#hopOf(plan);
    const ready = takeWaiting(hop);
    this.#refill(hop);
    if (ready) {
      try {
        return await askProxy(ready, proxy, left());
      } catch (error) {
        // It was closed while it waited, and has answered nothing: a new one may well do.
        if (!wasStale(error)) throw error;
      }
    }
    return askProxy(await openPlan(plan, left()), proxy, left());
  }

  /** Closes what has waited too long. Asked about once a second. */
  sweep(): void {
    const now = this.#clock();
    for (const [key, hop] of this.#hops) {
      while (hop.waiting[0] && now - hop.waiting[0].since >= IDLE_MS) hop.waiting.shift()?.socket.destroy();
      if (hop.waiting.length === 0 && hop.opening === 0 && demandNow(hop, now) < 0.01) this.#hops.delete(key);
    }
  }

  close(): void {
    this.#closed = true;
    for (const { waiting } of this.#hops.values()) for (const { socket } of waiting) socket.destroy();
    this.#hops.clear();
  }

  #hopOf(plan: DialPlan): Hop {
    const now = this.#clock();
    const key = hopKey(plan);
    const known = this.#hops.get(key);
    if (known === undefined) {
      const hop: Hop = { waiting: [], opening: 0, demand: 0, measuredAt: now, plan };
      this.#hops.set(key, hop);
      return hop;
    }
    known.demand = demandNow(known, now) + Math.LN2 / (HALF_LIFE_MS / 1_000);
    known.measuredAt = now;
    known.plan = plan;
    return known;
  }

  #refill(hop: Hop): void {
    // One flow alone is no demand: what would be opened for it would mostly be closed unused.
    const wanted = hop.demand < 1 ? 0 : Math.min(Math.ceil(hop.demand * AHEAD_SECONDS), MOST_PER_HOP);
    for (let missing = wanted - hop.waiting.length - hop.opening; missing > 0; missing--)
      this.#openAhead(hop);
  }

  #openAhead(hop: Hop): void {
    hop.opening += 1;
    openPlan(hop.plan, { timeoutMs: OPEN_TIMEOUT_MS }).then(
      (socket) => {
        hop.opening -= 1;
        if (this.#closed) socket.destroy();
        else keepWaiting(hop, socket, this.#clock());
      },
      // Whoever needs one opens it, and learns why it fails.
      () => {
        hop.opening -= 1;
      },
    );
  }
}

/** Which proxy it is. Its addresses are not part of it: the same name is the same proxy. */
function hopKey({ addresses, port, localAddress, proxy }: DialPlan): string {
  return `${proxy?.tls?.serverName ?? addresses.join()} ${port} ${proxy?.tls?.ca ?? ""} ${localAddress ?? ""}`;
}

function demandNow({ demand, measuredAt }: Hop, now: number): number {
  return demand * 2 ** ((measuredAt - now) / HALF_LIFE_MS);
}

/** A proxy that speaks, or hangs up, before it is asked is of no use. */
function keepWaiting(hop: Hop, socket: Socket, since: number): void {
  const drop = () => {
    const at = hop.waiting.findIndex((one) => one.socket === socket);
    if (at >= 0) hop.waiting.splice(at, 1);
    socket.destroy();
  };
  socket.once("readable", drop);
  socket.once("close", drop);
  hop.waiting.push({ socket, since, drop });
}

/** The newest: it is the least likely to have been closed. */
function takeWaiting(hop: Hop): Socket | undefined {
  const taken = hop.waiting.pop();
  taken?.socket.off("readable", taken.drop);
  taken?.socket.off("close", taken.drop);
  return taken?.socket;
}

function wasStale(error: unknown): boolean {
  if (!(error instanceof DialError) || error.refusal !== undefined || error.moved.receivedBytes > 0)
    return false;
  return error.code === "connection_terminated" || error.code === "upstream_failed";
}
