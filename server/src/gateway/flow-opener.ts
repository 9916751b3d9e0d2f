import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { ProxyError, proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { ProxyProtocol } from "../db/schema.ts";
import type { UsageRecorder } from "../metering/usage-recorder.ts";
import type { Identity } from "./authenticator.ts";
import type { ExitSessions } from "./exit-sessions.ts";
import type { Flow, OpenFlows } from "./flow.ts";
import type { GatewayLimits } from "./options.ts";
import type { CheckedTarget, TargetGuard } from "./target-guard.ts";
import type { ChosenExit, LiveSession, Upstream } from "./upstreams/upstream.ts";

/** What a client wants to reach, and how it asked. */
export interface FlowWish {
  readonly protocol: ProxyProtocol;
  /** The client's address. */
  readonly client: string;
  readonly host: string;
  readonly port: number;
}

/** A flow that may go ahead: its exit is chosen and its target checked, nothing is dialled yet. */
export interface AdmittedFlow {
  readonly flow: Flow;
  readonly exit: ChosenExit;
  readonly session: LiveSession | undefined;
  readonly target: CheckedTarget;
}

interface Parts {
  readonly flows: OpenFlows;
  readonly usage: UsageRecorder;
  readonly sessions: ExitSessions;
  readonly upstreams: readonly Upstream[];
  readonly guard: TargetGuard;
  readonly limits: GatewayLimits;
  readonly clock: () => number;
}

/** Decides for every flow: may the account open it, where does it leave, may its target be reached. */
export class FlowOpener {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Every wish of a known credential gets a flow, so that failures are counted where the owner can see them.
   * @throws ProxyError; the flow, if there was one by then, is finished with its code
   */
  async admit(identity: Identity, wish: FlowWish): Promise<AdmittedFlow> {
    const { usage, sessions, flows, guard, limits } = this.#parts;
    const { credential } = identity;
    if (flows.countOfCredential(credential.id) >= limits.connectionsPerCredential) {
      throw new ProxyError("connection_limit");
    }
    const session = sessions.of(credential.id, identity.wish);
    const exit = this.#chooseExit(identity, session);
    const flow = this.#openFlow(identity, wish, exit);
    try {
      const may = usage.mayOpen(credential.userId);
      if (!(typeof may === "boolean" ? may : await may)) throw new ProxyError("quota_exhausted");
      if (exit === undefined) throw new ProxyError("no_exit");
      const checked = guard.check(wish.host, wish.port);
      const target = checked instanceof Promise ? await checked : checked;
      if (flow.end) throw new ProxyError("connection_terminated", "It was ended before it was connected.");
      return { flow, exit, session, target };
    } catch (error) {
      throw failFlow(flow, error);
    }
  }

  /** @throws ProxyError; the flow is finished with its code */
  async dial({ flow, exit, target }: AdmittedFlow): Promise<Socket> {
    try {
      return await exit.dial(target, this.#parts.limits.connectMs);
    } catch (error) {
      throw failFlow(flow, error);
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
    this.#parts.usage.open(flow);
    return flow;
  }
}

/** Finishes a flow with the row of what went wrong. */
export function failFlow(flow: Flow, error: unknown): ProxyError {
  const reason = proxyErrorOf(error);
  flow.finish(reason.code, true);
  return reason;
}

/** What a client is told about its flow: on the answer to CONNECT. */
export function flowHeaders({ flow, exit, session }: AdmittedFlow): string {
  const lines = [`X-Atlantic-Request-Id: ${flow.record.id}`];
  if (exit.country !== null) lines.push(`X-Atlantic-Exit-Country: ${exit.country.toUpperCase()}`);
  if (exit.address !== null) lines.push(`X-Atlantic-Exit-Address: ${exit.address}`);
  if (session !== undefined) lines.push(`X-Atlantic-Session-Expires: ${session.expiresAt}`);
  return `${lines.join("\r\n")}\r\n`;
}
