import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { dialPlan } from "@atlantic/native";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { ProxyProtocol } from "../db/schema.ts";
import type { UsageRecorder } from "../metering/usage-recorder.ts";
import type { Identity } from "./authenticator.ts";
import type { ExitSessions } from "./exit-sessions.ts";
import type { Flow, OpenFlows } from "./flow.ts";
import type { FlowLimitSource, FlowLimits } from "./flow-limits.ts";
import type { GatewayLimits } from "./options.ts";
import { Route } from "./route.ts";
import type { CheckedTarget, TargetGuard } from "./target-guard.ts";
import type { ChosenExit, LiveSession, Upstream } from "./upstreams/upstream.ts";

/** What a client wants to reach, and how it asked. */
export interface FlowWish {
  readonly protocol: ProxyProtocol;
  /** The client's address. */
  readonly client: string;
  readonly host: string;
  readonly port: number;
  /** The client's connection, where it wants to know of its flows. */
  readonly leg?: { opened(flow: Flow): void };
}

/** What a client's connection needs of a flow opener. */
export type FlowOpening = Pick<FlowOpener, "admit" | "dial">;

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
  readonly upstreams: readonly Upstream[];
  readonly guard: TargetGuard;
  readonly limits: GatewayLimits;
  readonly flowLimits: FlowLimitSource;
  readonly clock: () => number;
}

/** Decides for every flow: may the account open it, where does it leave, may its target be reached. */
export class FlowOpener {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Every wish of a known credential gets a flow, so that failures are counted where the owner can see them. Answers
   * at once where all that it needs is at hand.
   * @throws ProxyError; the flow, if there was one by then, is finished with its code
   */
  admit(identity: Identity, wish: FlowWish): AdmittedFlow | Promise<AdmittedFlow> {
    const { usage, sessions, flows, limits } = this.#parts;
    const { credential } = identity;
    if (flows.countOfCredential(credential.id) >= limits.connectionsPerCredential) {
      throw new ProxyError("connection_limit");
    }
    const session = sessions.of(credential.id, identity.wish);
    const exit = this.#chooseExit(identity, session);
    const flow = this.#openFlow(identity, wish, exit);
    try {
      const may = usage.mayOpen(credential.userId);
      const admitted =
        typeof may === "boolean"
          ? this.#limit(flow, may, identity, wish, exit, session)
          : may.then((granted) => this.#limit(flow, granted, identity, wish, exit, session));
      return admitted instanceof Promise
        ? admitted.catch((error) => Promise.reject(failFlow(flow, error)))
        : admitted;
    } catch (error) {
      throw failFlow(flow, error);
    }
  }

  #limit(
    flow: Flow,
    granted: boolean,
    identity: Identity,
    wish: FlowWish,
    exit: ChosenExit | undefined,
    session: LiveSession | undefined,
  ): AdmittedFlow | Promise<AdmittedFlow> {
    if (!granted) throw new ProxyError("quota_exhausted");
    const go = (limits: FlowLimits) => {
      flow.limits = limits;
      return this.#check(flow, identity, exit, session);
    };
    const limits = this.#parts.flowLimits.admit(identity, wish);
    return limits instanceof Promise ? limits.then(go) : go(limits);
  }

  #check(
    flow: Flow,
    identity: Identity,
    exit: ChosenExit | undefined,
    session: LiveSession | undefined,
  ): AdmittedFlow | Promise<AdmittedFlow> {
    if (exit === undefined) throw new ProxyError("no_exit");
    const route = new Route(exit);
    const { targetHost, targetPort } = flow.record;
    const go = (target: CheckedTarget) => {
      this.#parts.flowLimits.checkTarget(identity, target);
      return admittedFlow(flow, session, target, route);
    };
    const target = this.#parts.guard.check(targetHost, targetPort);
    return target instanceof Promise ? target.then(go) : go(target);
  }

  /**
   * Connects a flow to its target, by one exit after the other as its route says.
   * @throws ProxyError; the flow is finished with its code
   */
  async dial({ flow, target, route }: AdmittedFlow): Promise<Socket> {
    const deadline = performance.now() + this.#parts.limits.connectMs;
    let exit: ChosenExit | undefined = route.exit;
    for (;;) {
      try {
        const plan = exit.plan(target);
        const timeoutMs = deadline - performance.now();
        const socket = await dialPlan(plan instanceof Promise ? await plan : plan, { timeoutMs });
        route.succeeded();
        return socket;
      } catch (error) {
        const reason = exit.explain(error);
        exit = route.failed(reason);
        if (exit === undefined) throw failFlow(flow, reason);
      }
    }
  }

  #chooseExit({ wish }: Identity, session: LiveSession | undefined): ChosenExit | undefined {
    for (const upstream of this.#parts.upstreams) {
      if (wish.exit.pool !== undefined && wish.exit.pool !== upstream.name) continue;
      const exit = upstream.choose(wish.exit, session);
      if (exit) return exit;
    }
    return undefined;
  }

  #openFlow({ credential }: Identity, wish: FlowWish, exit: ChosenExit | undefined): Flow {
    const flow = this.#parts.flows.open({
      id: randomUUID(),
      userId: credential.userId,
      credentialId: credential.id,
      client: wish.client,
      protocol: wish.protocol,
      targetHost: wish.host,
      targetPort: wish.port,
      exitCountry: exit?.country ?? null,
      exitCity: exit?.city ?? null,
      exitLabel: exit?.label ?? null,
      exitAddress: exit?.address ?? null,
      upstream: exit?.upstream ?? null,
      openedAt: this.#parts.clock(),
    });
    flow.requests = 1;
    wish.leg?.opened(flow);
    this.#parts.usage.open(flow);
    return flow;
  }
}

function admittedFlow(
  flow: Flow,
  session: LiveSession | undefined,
  target: CheckedTarget,
  route: Route,
): AdmittedFlow {
  if (flow.end) throw new ProxyError("connection_terminated", "It was ended before it was connected.");
  return { flow, session, target, route };
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
  return `${lines.join("\r\n")}\r\n`;
}
