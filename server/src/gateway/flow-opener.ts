import { randomUUIDv7 } from "node:crypto";
import type { Socket } from "node:net";
import { DialError, type DialPlan, type DialPlanOptions } from "@atlantic/native";
import { hopStatus, ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ProxyProtocol } from "../db/schema.ts";
import type { UsageRecorder } from "../metering/usage-recorder.ts";
import { wishOf } from "./account-session.ts";
import type { Identity } from "./authenticator.ts";
import type { ExitSessions } from "./exit-sessions.ts";
import type { Flow, OpenFlows } from "./flow.ts";
import type { FlowLimitSource, FlowLimits } from "./flow-limits.ts";
import type { GatewayLimits } from "./options.ts";
import { Route } from "./route.ts";
import { SessionKeeper } from "./session-keeper.ts";
import type { SessionBeginning } from "./shared-sessions.ts";
import type { StickySession } from "./sticky-session.ts";
import type { CheckedTarget, TargetGuard } from "./target-guard.ts";
import type { ChosenExit, LiveSession } from "./upstreams/upstream.ts";
import type { UpstreamOrder } from "./upstreams/upstream-order.ts";

/** What a client wants to reach, and how it asked. */
export interface FlowWish {
  readonly protocol: ProxyProtocol;
  /** The client's address. */
  readonly client: string;
  readonly host: string;
  readonly port: number;
  /** Datagrams will be sent: each has its own target, which is checked then, and only exits that carry them will do. */
  readonly datagrams?: true;
  /** What the client knows it by already; else it gets an id. */
  readonly requestId?: string;
  /** The client's connection, where it wants to know of its flows. */
  readonly leg?: { opened(flow: Flow): void };
}

/** What a client's connection needs of a flow opener. */
export type FlowOpening = Pick<FlowOpener, "admit" | "check" | "dial" | "connected" | "failed" | "foreseen">;

/** A flow that may go ahead: its exit is chosen and its target checked, nothing is dialled yet. */
export interface AdmittedFlow {
  readonly flow: Flow;
  readonly session: LiveSession | undefined;
  readonly target: CheckedTarget;
  /** The exit that it leaves by, and those that stand in for it. */
  readonly route: Route;
}

interface Parts {
  readonly flows: OpenFlows;
  readonly usage: UsageRecorder;
  readonly sessions: ExitSessions;
  readonly upstreams: UpstreamOrder;
  readonly guard: TargetGuard;
  readonly limits: GatewayLimits;
  readonly flowLimits: FlowLimitSource;
  readonly clock: () => number;
  /** Carries a plan out. */
  readonly dial: (plan: DialPlan, options: DialPlanOptions) => Promise<Socket>;
  /** Where sessions without traffic are used now and then; null: nowhere. */
  readonly keepAlive: { readonly host: string; readonly port: number } | null;
}

/** Decides for every flow: may the account open it, where does it leave, may its target be reached. */
export class FlowOpener {
  readonly #parts: Parts;
  readonly #keeper: SessionKeeper | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { guard, dial, clock, keepAlive } = parts;
    this.#keeper = keepAlive
      ? new SessionKeeper({
          target: keepAlive,
          check: (host, port) => guard.check(host, port),
          dial,
          clock,
          openFlow: (like, exit, target) => this.#openKeepAlive(like, exit, target),
        })
      : undefined;
  }

  /** What is known here of a session, without beginning it. */
  peekSession(credentialId: string, username: GatewayUsername): SessionBeginning | undefined {
    return this.#parts.sessions.peek(credentialId, username)?.beginning();
  }

  /** Asked about once a second. */
  sweep(): void {
    this.#keeper?.sweep();
  }

  /**
   * Every wish of a known credential gets a flow, so that failures are counted where the owner can see them. Answers
   * at once where all that it needs is at hand.
   * @throws ProxyError; the flow, if there was one by then, is finished with its code
   */
  admit(identity: Identity, wish: FlowWish): AdmittedFlow | Promise<AdmittedFlow> {
    const { sessions, flows, limits } = this.#parts;
    const { credential } = identity;
    if (flows.countOfCredential(credential.id) >= limits.connectionsPerCredential) {
      throw new ProxyError("connection_limit");
    }
    const session = sessions.of(credential.id, wishOf(identity));
    return session instanceof Promise
      ? session.then((begun) => this.#admit(identity, wish, begun))
      : this.#admit(identity, wish, session);
  }

  #admit(
    identity: Identity,
    wish: FlowWish,
    session: StickySession | undefined,
  ): AdmittedFlow | Promise<AdmittedFlow> {
    const { usage, upstreams, sessions } = this.#parts;
    const { exit } = identity.wish;
    const datagrams = wish.datagrams ?? false;
    const route = new Route(upstreams.of(exit.pool), sessions, { exit, session, datagrams });
    const flow = this.#openFlow(identity, wish, route.firstExit);
    try {
      const may = usage.mayOpen(identity.credential.userId);
      const admitted =
        typeof may === "boolean"
          ? this.#limit(flow, may, identity, wish, route)
          : may.then((granted) => this.#limit(flow, granted, identity, wish, route));
      return admitted instanceof Promise
        ? admitted.catch((error) => Promise.reject(notAdmitted(flow, route, error)))
        : admitted;
    } catch (error) {
      throw notAdmitted(flow, route, error);
    }
  }

  #limit(
    flow: Flow,
    granted: boolean,
    identity: Identity,
    wish: FlowWish,
    route: Route,
  ): AdmittedFlow | Promise<AdmittedFlow> {
    if (!granted) throw new ProxyError("quota_exhausted");
    const go = (limits: FlowLimits) => {
      flow.limits = limits;
      return this.#check(flow, identity, wish, route);
    };
    const limits = this.#parts.flowLimits.admit(identity, wish);
    return limits instanceof Promise ? limits.then(go) : go(limits);
  }

  #check(
    flow: Flow,
    identity: Identity,
    { host, port, datagrams }: FlowWish,
    route: Route,
  ): AdmittedFlow | Promise<AdmittedFlow> {
    if (route.firstExit === undefined) throw route.problem;
    if (datagrams) return admittedFlow(flow, { host, port, addresses: [], addressPort: port }, route);
    const go = (target: CheckedTarget) => {
      this.#parts.flowLimits.checkTarget(identity, target);
      return admittedFlow(flow, target, route);
    };
    const target = this.#parts.guard.check(host, port);
    return target instanceof Promise ? target.then(go) : go(target);
  }

  /**
   * How many flows that are alike will be admitted as this one was, for all that can be known: nothing is counted
   * against them that is nearly used up, and their exit is not drawn anew.
   */
  foreseen({ credential, wish }: Identity, { flow, route, session }: AdmittedFlow): number {
    const { flows, limits } = this.#parts;
    const isSteady =
      !flow.limits.requests.isLimited &&
      (credential.settings?.connections ?? null) === null &&
      (session !== undefined || wish.exit.countries === undefined) &&
      route.attempts.length === 0 &&
      !route.sessionMoved;
    const room = limits.connectionsPerCredential - flows.countOfCredential(credential.id);
    return isSteady ? Math.max(0, Math.floor(room / 4)) : 0;
  }

  /**
   * Whether a datagram may go there.
   * @throws ProxyError as the guard and the credential's limits do
   */
  check(identity: Identity, host: string, port: number): CheckedTarget | Promise<CheckedTarget> {
    const go = (target: CheckedTarget) => {
      this.#parts.flowLimits.checkTarget(identity, target);
      return target;
    };
    const target = this.#parts.guard.check(host, port);
    return target instanceof Promise ? target.then(go) : go(target);
  }

  /**
   * Connects a flow to its target, by one exit after the other as its route says.
   * @throws ProxyError; the flow is finished with its code
   */
  async dial(admitted: AdmittedFlow): Promise<Socket> {
    const { target, route } = admitted;
    const deadline = performance.now() + this.#parts.limits.connectMs;
    route.start();
    let { exit } = route;
    for (;;) {
      try {
        const timeoutMs = route.timeoutMs(deadline - performance.now());
        const plan = exit.plan(target);
        const made = plan instanceof Promise ? await madeInTime(plan, timeoutMs) : plan;
        const socket = await this.#parts.dial(made, { timeoutMs });
        this.connected(admitted);
        return socket;
      } catch (error) {
        exit = this.failed(admitted, error, performance.now() < deadline);
      }
    }
  }

  /** The exit of now has reached the target. For carriers that dial themselves. */
  connected({ flow, route }: AdmittedFlow): void {
    route.succeeded();
    const { session, exit, attempts } = route;
    if (session !== undefined && exit.keepAliveMs !== undefined) this.#keeper?.used(session, exit, flow);
    if (attempts.length > 0) recordFailover(flow, route);
  }

  /**
   * The exit of now could not reach the target. For carriers that dial themselves.
   * @param error what was thrown, a DialError with its stage above all
   * @param timeLeft whether another one may be tried
   * @returns the exit to try next
   * @throws ProxyError for the client when there is none; the flow is finished with its code
   */
  failed({ flow, route }: AdmittedFlow, error: unknown, timeLeft = true): ChosenExit {
    countUncharged(flow, error);
    const reason = route.explain(error);
    const next = route.failed(reason, timeLeft && flow.end === undefined);
    if (next) return next;
    if (route.attempts.length > 1) recordFailover(flow, route);
    throw failFlow(flow, reason);
  }

  #openFlow({ credential }: Identity, wish: FlowWish, exit: ChosenExit | undefined): Flow {
    const flow = this.#parts.flows.open({
      id: wish.requestId ?? randomUUIDv7(),
      userId: credential.userId,
      credentialId: credential.id,
      client: wish.client,
      protocol: wish.protocol,
      targetHost: wish.host,
      targetPort: wish.port,
      ...exitOf(exit),
      openedAt: this.#parts.clock(),
    });
    flow.requests = 1;
    wish.leg?.opened(flow);
    this.#parts.usage.open(flow);
    return flow;
  }

  #openKeepAlive({ record }: Flow, exit: ChosenExit, target: { host: string; port: number }): Flow {
    const { userId, credentialId, client } = record;
    const flow = this.#parts.flows.open({
      id: randomUUIDv7(),
      userId,
      credentialId,
      client,
      protocol: "http",
      targetHost: target.host,
      targetPort: target.port,
      ...exitOf(exit),
      openedAt: this.#parts.clock(),
    });
    this.#parts.usage.open(flow);
    return flow;
  }
}

function notAdmitted(flow: Flow, route: Route, error: unknown): ProxyError {
  route.givenUp();
  return failFlow(flow, error);
}

function admittedFlow(flow: Flow, target: CheckedTarget, route: Route): AdmittedFlow {
  if (flow.end) throw new ProxyError("connection_terminated", "It was ended before it was connected.");
  return { flow, session: route.session, target, route };
}

/** What an attempt moved before it failed is nobody's to pay. */
function countUncharged(flow: Flow, error: unknown): void {
  if (!(error instanceof DialError)) return;
  flow.unchargedSentBytes += error.moved.sentBytes;
  flow.unchargedReceivedBytes += error.moved.receivedBytes;
}

/** The record names the exit that carries the flow, or that was tried last, and why those before did not. */
function recordFailover(flow: Flow, route: Route): void {
  const attempts = route.attempts.map(({ upstream, error }) => ({ upstream, error: error.code }));
  flow.replaceRecord({ ...flow.record, ...exitOf(route.exit), attempts });
}

function exitOf(exit: ChosenExit | undefined) {
  return {
    exitCountry: exit?.country ?? null,
    exitCity: exit?.city ?? null,
    exitLabel: exit?.label ?? null,
    exitAddress: exit?.address ?? null,
    upstream: exit?.upstream ?? null,
  };
}

/** The engine began it by this exit, whatever its route says now. */
export function begunBy(exit: ChosenExit, flow: Flow): void {
  flow.replaceRecord({ ...flow.record, ...exitOf(exit) });
}

/** A plan may wait for a name that no server answers for. */
function madeInTime(plan: Promise<DialPlan>, timeoutMs: number): Promise<DialPlan> {
  const { promise, resolve, reject } = Promise.withResolvers<DialPlan>();
  const timer = setTimeout(() => reject(new ProxyError("connection_timeout")), timeoutMs);
  plan.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

/** Finishes a flow with the row of what went wrong. */
export function failFlow(flow: Flow, error: unknown): ProxyError {
  const reason = proxyErrorOf(error);
  flow.finish(reason.code, true);
  return reason;
}

/** What a client is told about its flow: on the answer to CONNECT. */
export function flowHeaders({ flow, route, session }: AdmittedFlow): string {
  const { exit } = route;
  const lines = [`X-Atlantic-Request-Id: ${flow.record.id}`];
  if (exit.country !== null) lines.push(`X-Atlantic-Exit-Country: ${exit.country.toUpperCase()}`);
  if (exit.address !== null) lines.push(`X-Atlantic-Exit-Address: ${exit.address}`);
  if (session !== undefined) lines.push(`X-Atlantic-Session-Expires: ${session.expiresAt}`);
  if (route.sessionMoved) lines.push("X-Atlantic-Session-Moved: 1");
  if (route.attempts.length > 0) {
    lines.push(`Proxy-Status: ${[...route.attempts.map(hopStatus), "atlantic"].join(", ")}`);
  }
  return `${lines.join("\r\n")}\r\n`;
}
