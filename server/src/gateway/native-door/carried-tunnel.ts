import type { Socket } from "node:net";
import {
  type CarriedClientListener,
  type CarriedConnection,
  type CarriedTotals,
  type CarrierOutcome,
  type DialError,
  type DialPlan,
  handleOfAllowance,
  handleOfRate,
  isNativePlan,
} from "@atlantic/native";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection } from "../context.ts";
import type { FlowLimits } from "../flow-limits.ts";
import { type AdmittedFlow, begunBy, type FlowWish, failFlow } from "../flow-opener.ts";
import { runTunnel } from "../tunnel.ts";
import type { ChosenExit } from "../upstreams/upstream.ts";
import type { Door } from "./native-door.ts";
import { planNow } from "./standing-connects.ts";

/** How long a refused client may take to read why. */
export const LINGER_MS = 2_000;
export const HALF_OPEN_IDLE_MS = 60_000;
/** How long a tunnel may be open without a decision, when what is looked up for it is not at hand. */
const UNDECIDED_MS = 2_000;

/** What a protocol says at the two moments in which it has to. */
export interface TunnelWords {
  /** The tunnel is open. Where the protocol names the exit's address, its last six bytes are left to be filled in. */
  granted(admitted: AdmittedFlow): Buffer | string;
  /** The same when the exit's connection is at hand. */
  grantedBy(admitted: AdmittedFlow, upstream: Socket): Buffer | string;
  readonly endsInAddress: boolean;
  refused(error: ProxyError): Buffer;
  /** The engine carries it so. */
  carries?(admitted: AdmittedFlow): void;
}

/** A tunnel that the engine has begun by what was decided in advance. */
export interface BegunTunnel {
  readonly requestId: string;
  readonly exit: ChosenExit;
  readonly limits: FlowLimits;
  readonly plan: DialPlan;
}

/** One tunnel of a client that the engine has: from its wish to its last byte. */
export class CarriedTunnel implements CarriedClientListener, ClientConnection {
  readonly #door: Door;
  readonly #client: CarriedConnection;
  readonly #words: TunnelWords;
  readonly #early: Buffer;
  readonly #begun: BegunTunnel | undefined;
  #admitted: AdmittedFlow | undefined;
  #connected = false;
  #deadline = 0;
  /** Until when the engine may be left without an order. */
  #decideUntil: number;
  #carried = false;
  #refusedFor: ProxyError | undefined;
  #cutFor: string | undefined;
  /** What came of a tunnel that was begun before it was decided about. */
  #failure: DialError | undefined;
  #closed: { readonly outcome: CarrierOutcome; readonly totals: CarriedTotals } | undefined;

  /** @param said.early what the client said behind its request */
  constructor(
    door: Door,
    client: CarriedConnection,
    words: TunnelWords,
    { early, begun }: { readonly early: Buffer; readonly begun?: BegunTunnel | undefined },
  ) {
    this.#door = door;
    this.#client = client;
    this.#words = words;
    this.#early = early;
    this.#begun = begun;
    if (begun) client.isCarriedBy(begun.plan);
    this.#decideUntil = begun ? door.context.now() + UNDECIDED_MS : decisionDeadline(door);
    client.listen(this);
    door.connections.add(this);
  }

  /** While it is our turn the engine waits for ever: a name or an identity may take only so long to look up. */
  checkDeadline(now: number): void {
    if (this.#carried || this.#refusedFor || now < this.#decideUntil) return;
    this.refuse(new ProxyError("connection_timeout"));
  }

  drain(): void {}

  destroy(): void {
    this.#client.cut();
  }

  /** Opens it for the identity, if all agree. */
  open(identity: Identity, wish: FlowWish): void {
    try {
      const admitted = this.#door.context.opener.admit(identity, wish);
      if (admitted instanceof Promise) admitted.then((flow) => this.#begin(flow)).catch(this.#fail);
      else this.#begin(admitted);
    } catch (error) {
      this.refuse(error);
    }
  }

  readonly #fail = (error: unknown): void => this.refuse(error);

  #begin(admitted: AdmittedFlow): void {
    if (this.#refusedFor || (this.#client.isOver && !this.#begun)) {
      admitted.route.givenUp();
      failFlow(admitted.flow, this.#refusedFor ?? gaveUp());
      return;
    }
    this.#admitted = admitted;
    admitted.flow.onCut((reason) => {
      this.#cutFor = reason;
      this.#client.cut({ whenFlushed: reason === "quota_exhausted" });
    });
    this.#deadline = performance.now() + this.#door.context.limits.connectMs;
    if (this.#begun) this.#goOn(admitted, this.#begun);
    else this.#dial(admitted, admitted.route.exit);
  }

  /** What has happened by now is made up for; who was begun otherwise than is decided does not go on. */
  #goOn(admitted: AdmittedFlow, { exit, limits }: BegunTunnel): void {
    const { flow, route } = admitted;
    const { allowance, rate } = flow.limits;
    const asBegun = route.exit === exit && allowance === limits.allowance && rate === limits.rate;
    if (!asBegun) this.#door.standing.withdraw();
    if (this.#failure && !this.#closed) {
      // Nothing was said to the client, and nothing is under way.
      if (asBegun) this.#failed(admitted, this.#failure);
      else this.#dial(admitted, route.exit);
      return;
    }
    flow.countWith(() => this.#client.totals());
    if (!asBegun && this.#closed) this.#wentBy(exit, admitted);
    else if (asBegun && this.#connected) this.#door.context.opener.connected(admitted);
    if (this.#closed) this.#finish(admitted, this.#closed);
    else if (!asBegun) this.#goElsewhere(exit, admitted);
    else {
      this.#carried = true;
      this.#words.carries?.(admitted);
    }
  }

  /** Where nothing was said yet the client notices nothing; the engine cuts what is open by then. */
  #goElsewhere(from: ChosenExit, admitted: AdmittedFlow): void {
    const plan = planNow(admitted);
    if (plan && !this.#connected) this.#carry(admitted, plan);
    else {
      this.#wentBy(from, admitted);
      this.refuse(new ProxyError("connection_terminated", "Its exit is not yours any more. Try again."));
    }
  }

  #wentBy(exit: ChosenExit, { flow, route }: AdmittedFlow): void {
    this.#cutFor = "decided_otherwise";
    route.givenUp();
    begunBy(exit, flow);
  }

  #dial(admitted: AdmittedFlow, exit: ChosenExit): void {
    try {
      const plan = exit.plan(admitted.target);
      if (plan instanceof Promise) {
        plan.then((made) => this.#carry(admitted, made)).catch((error) => this.#failed(admitted, error));
      } else this.#carry(admitted, plan);
    } catch (error) {
      this.#failed(admitted, error);
    }
  }

  #carry(admitted: AdmittedFlow, plan: DialPlan): void {
    if (this.#client.isOver || this.#refusedFor) return;
    const { flow, route } = admitted;
    const allowance = handleOfAllowance(flow.limits.allowance);
    const rate = handleOfRate(flow.limits.rate);
    if (allowance === undefined || rate === undefined || !isNativePlan(plan)) {
      this.#goByHand(admitted);
      return;
    }
    this.#carried = true;
    flow.countWith(() => this.#client.totals());
    this.#client.carry(plan, {
      reply: this.#words.granted(admitted),
      replyEndsInAddress: this.#words.endsInAddress,
      early: this.#early,
      connectMs: route.timeoutMs(this.#deadline - performance.now()),
      idleMs: this.#door.context.limits.idleMs,
      halfOpenIdleMs: HALF_OPEN_IDLE_MS,
      allowance,
      rate,
    });
    this.#words.carries?.(admitted);
  }

  /** What the engine cannot do is done with sockets: TLS to a proxy, or an allowance of this thread. */
  #goByHand(admitted: AdmittedFlow): void {
    const { flow, route } = admitted;
    this.#door.connections.delete(this);
    flow.onCut((reason) => flow.finish(reason));
    const onSocket = (socket: Socket) => {
      this.#dialByHand(admitted, socket).catch((error) => {
        const reason = proxyErrorOf(error);
        this.#door.context.told(reason);
        if (!socket.destroyed) socket.end(this.#words.refused(reason));
        socket.resume();
        socket.setTimeout(LINGER_MS, () => socket.destroy());
        socket.once("end", () => socket.destroySoon());
      });
    };
    // The engine may have seen the client go before it was asked for the socket.
    this.#door.socketOf(this.#client, onSocket, () => {
      route.givenUp();
      failFlow(flow, gaveUp());
    });
  }

  async #dialByHand(admitted: AdmittedFlow, socket: Socket): Promise<void> {
    const { opener, limits } = this.#door.context;
    const { flow } = admitted;
    const upstream = await opener.dial(admitted);
    if (socket.destroyed || flow.end) {
      upstream.destroy();
      failFlow(flow, gaveUp());
      if (!socket.destroyed) socket.resetAndDestroy();
      return;
    }
    socket.write(this.#words.grantedBy(admitted, upstream), "latin1");
    const early = this.#early;
    runTunnel(flow, socket, upstream, { idleMs: limits.idleMs, early, ended: () => {} });
  }

  #failed(admitted: AdmittedFlow, error: unknown): void {
    this.#carried = false;
    if (this.#refusedFor) return;
    try {
      const timeLeft = performance.now() < this.#deadline;
      this.#dial(admitted, this.#door.context.opener.failed(admitted, error, timeLeft));
    } catch (reason) {
      this.refuse(reason);
    }
  }

  /** Says no in the protocol's words; the client is done with. */
  refuse(thrown: unknown): void {
    if (this.#refusedFor) return;
    const error = proxyErrorOf(thrown);
    this.#refusedFor = error;
    this.#door.context.told(error);
    if (this.#begun) this.#door.standing.withdraw();
    if (error.code === "internal") {
      this.#door.context.logger.error({ err: error.cause ?? error }, "tunnel failed");
    }
    this.#client.refuse(this.#words.refused(error), LINGER_MS);
    this.#giveBack();
  }

  /** What nobody pays for may be moved by others. */
  #giveBack(): void {
    if (!this.#begun || !this.#closed || this.#admitted) return;
    const { sentBytes, receivedBytes } = this.#closed.totals;
    this.#begun.limits.allowance.add(sentBytes + receivedBytes);
  }

  onData(): void {}

  onTaken(): void {}

  onDialled(byLast: boolean): void {
    this.#connected = true;
    if (!this.#admitted || this.#refusedFor) return;
    if (byLast) this.#door.context.opener.connected(this.#admitted);
    else if (this.#begun) this.#wentBy(this.#begun.exit, this.#admitted);
  }

  onFailed(error: DialError): void {
    if (this.#begun) {
      this.#door.standing.withdraw();
      // Nothing is open: there is time to look up what was not at hand.
      this.#decideUntil = decisionDeadline(this.#door);
    }
    if (this.#admitted) this.#failed(this.#admitted, error);
    else this.#failure = error;
  }

  onClosed(outcome: CarrierOutcome, totals: CarriedTotals): void {
    this.#door.connections.delete(this);
    this.#closed = { outcome, totals };
    if (this.#admitted) this.#finish(this.#admitted, this.#closed);
    else if (this.#refusedFor) this.#giveBack();
  }

  #finish(
    { flow, route }: AdmittedFlow,
    { outcome, totals }: { readonly outcome: CarrierOutcome; readonly totals: CarriedTotals },
  ): void {
    flow.keep(totals);
    if (!this.#connected) route.givenUp();
    if (outcome === "cut") flow.finish(this.#cutFor ?? "closing");
    else if (this.#connected) flow.finish(outcome);
    else failFlow(flow, this.#refusedFor ?? gaveUp());
  }
}

/** When a client has waited long enough for what is looked up here. */
export function decisionDeadline({ context }: Door): number {
  return context.now() + context.limits.connectMs + context.limits.headerMs;
}

function gaveUp(): ProxyError {
  return new ProxyError("connection_terminated", "The client gave up.");
}
