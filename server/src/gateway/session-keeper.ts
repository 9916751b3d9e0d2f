import type { Socket } from "node:net";
import type { DialPlan, DialPlanOptions } from "@atlantic/native";
import type { Flow } from "./flow.ts";
import type { StickySession } from "./sticky-session.ts";
import type { CheckedTarget } from "./target-guard.ts";
import type { ChosenExit } from "./upstreams/upstream.ts";

/** More sessions than this are kept for nobody: each costs the operator some bytes a minute, and its owner nothing. */
const MOST_OF_A_CREDENTIAL = 100;
const MOST = 10_000;
const ANSWER_MS = 10_000;
const FAILURES = 3;

/** A session that a provider would end for want of traffic. */
interface Kept {
  readonly session: StickySession;
  readonly exit: ChosenExit;
  readonly keepAliveMs: number;
  readonly credentialId: string;
  /** The last flow of the session; as long as it moves there is no need. */
  flow: Flow;
  moved: number;
  usedAt: number;
  failures: number;
  busy: boolean;
}

export interface SessionKeeperParts {
  /** Where the small request goes. */
  readonly target: { readonly host: string; readonly port: number };
  readonly check: (host: string, port: number) => CheckedTarget | Promise<CheckedTarget>;
  readonly dial: (plan: DialPlan, options: DialPlanOptions) => Promise<Socket>;
  /** Opens a metered flow beside another one of the same session. */
  readonly openFlow: (like: Flow, exit: ChosenExit, target: { host: string; port: number }) => Flow;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/**
 * Keeps sessions that nobody uses at the moment from being ended by their providers: a small request now and then
 * through the session's exit, whose bytes are counted and charged to nobody, until the session's lifetime is over.
 */
export class SessionKeeper {
  readonly #parts: SessionKeeperParts;
  readonly #kept = new Map<string, Kept>();
  readonly #countOf = new Map<string, number>();

  constructor(parts: SessionKeeperParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** A flow of the session has reached its target by this exit. */
  used(session: StickySession, exit: ChosenExit, flow: Flow): void {
    const { keepAliveMs } = exit;
    if (keepAliveMs === undefined) return;
    const known = this.#kept.get(session.name);
    const usedAt = this.#parts.clock();
    if (known?.session === session && known.exit === exit) {
      Object.assign(known, { flow, moved: 0, usedAt, failures: 0 });
      return;
    }
    if (known) this.#drop(known);
    const { credentialId } = flow.record;
    const count = this.#countOf.get(credentialId) ?? 0;
    if (count >= MOST_OF_A_CREDENTIAL || this.#kept.size >= MOST) return;
    this.#countOf.set(credentialId, count + 1);
    const fresh = { moved: 0, usedAt, failures: 0, busy: false };
    this.#kept.set(session.name, { session, exit, keepAliveMs, credentialId, flow, ...fresh });
  }

  /** Asked about once a second. */
  sweep(): void {
    const now = this.#parts.clock();
    for (const kept of this.#kept.values()) {
      const { session, flow } = kept;
      if (session.over || session.lost || session.expiresAt <= now || kept.failures >= FAILURES) {
        this.#drop(kept);
        continue;
      }
      const { sentBytes, receivedBytes } = flow.totals();
      if (sentBytes + receivedBytes !== kept.moved) {
        kept.moved = sentBytes + receivedBytes;
        kept.usedAt = now;
      } else if (now - kept.usedAt >= kept.keepAliveMs && !kept.busy) this.#keep(kept, now);
    }
  }

  #keep(kept: Kept, now: number): void {
    kept.busy = true;
    kept.usedAt = now;
    this.#ask(kept).then(
      (answered) => {
        kept.busy = false;
        kept.failures = answered ? 0 : kept.failures + 1;
      },
      () => {
        kept.busy = false;
        kept.failures += 1;
      },
    );
  }

  /** @returns whether anything came back */
  async #ask({ flow: like, exit }: Kept): Promise<boolean> {
    const { target, check, dial, openFlow } = this.#parts;
    const flow = openFlow(like, exit, target);
    try {
      const checked = await check(target.host, target.port);
      const socket = await dial(await exit.plan(checked), { timeoutMs: ANSWER_MS });
      const { sentBytes, receivedBytes } = await headRequest(socket, target.host);
      flow.unchargedSentBytes += sentBytes;
      flow.unchargedReceivedBytes += receivedBytes;
      flow.finish("kept_alive");
      return receivedBytes > 0;
    } catch (error) {
      const reason = exit.explain(error);
      // Nobody asked for it: it is not a failure of the client's.
      flow.finish(reason.code);
      throw reason;
    }
  }

  #drop({ session, credentialId }: Kept): void {
    this.#kept.delete(session.name);
    const left = (this.#countOf.get(credentialId) ?? 1) - 1;
    if (left > 0) this.#countOf.set(credentialId, left);
    else this.#countOf.delete(credentialId);
  }
}

/** The smallest request that any web server answers. What the proxy's own handshake took is no traffic of the exit's. */
function headRequest(socket: Socket, host: string): Promise<{ sentBytes: number; receivedBytes: number }> {
  return new Promise((resolve) => {
    const request = `HEAD / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    let receivedBytes = 0;
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
    socket.on("data", (bytes: Buffer) => {
      receivedBytes += bytes.length;
    });
    socket.once("end", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(timer);
      resolve({ sentBytes: request.length, receivedBytes });
    });
    socket.write(request);
  });
}
