import type { Agent } from "node:http";
import { isIP, type Socket } from "node:net";
import { DialError, dialDirect } from "@atlantic/native";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { Route, RouteId } from "@atlantic/shared/routing/route.ts";
import type { SessionBook } from "../sessions/session-book.ts";
import { DialingAgent } from "./dialing-agent.ts";
import { DIAL_TIMEOUT_MS, type ExitUpstream, type TunnelTarget } from "./exit-upstream.ts";
import type { UsageMeter } from "./usage-meter.ts";

/** A route that leads somewhere. */
export type OpenRoute = Exclude<Route, { kind: "block" }>;

/** How one plain request is sent. */
export interface PlainPath {
  readonly agent: Agent;
  /** Where the connection goes: the site, or a proxy that wants the absolute URL. */
  readonly host: string;
  readonly port: number;
  readonly proxyAuthorization: string | null;
}

interface PlainExit {
  readonly sessionId: string;
  readonly agent: DialingAgent;
}

export interface RouteDialerOptions {
  readonly upstream: ExitUpstream;
  readonly sessions: SessionBook;
  readonly usage: UsageMeter;
  /** Where direct flows to these `host:port` are dialled instead. */
  readonly hosts: Readonly<Record<string, string>>;
}

/** Opens connections by routes. Whoever asks has decided: this never chooses another way. */
export class RouteDialer {
  readonly #options: RouteDialerOptions;
  readonly #direct: DialingAgent;
  readonly #exits = new Map<RouteId, PlainExit>();

  constructor(options: RouteDialerOptions) {
    this.#options = options;
    this.#direct = new DialingAgent((target) => this.#dialDirect(target));
  }

  /** @throws DialError */
  tunnel(route: OpenRoute, routeId: RouteId, target: TunnelTarget, signal: AbortSignal): Promise<Socket> {
    if (route.kind === "direct") return this.#dialDirect(target, signal);
    const { upstream, sessions } = this.#options;
    return upstream.open(route.exit, sessions.current(routeId), target, signal);
  }

  plain(route: OpenRoute, routeId: RouteId, target: TunnelTarget): PlainPath {
    if (route.kind === "direct") return { agent: this.#direct, ...target, proxyAuthorization: null };
    const session = this.#options.sessions.current(routeId);
    const agent = this.#exitAgent(routeId, route.exit, session);
    const proxy = this.#options.upstream.forwarding(route.exit, session);
    if (!proxy) return { agent, ...target, proxyAuthorization: null };
    return { agent, host: proxy.host, port: proxy.port, proxyAuthorization: proxy.authorization };
  }

  /** Ends the idle connections of plain requests on this route: its session is over. */
  forget(routeId: RouteId): void {
    this.#exits.get(routeId)?.agent.destroy();
    this.#exits.delete(routeId);
  }

  close(): void {
    this.#direct.destroy();
    for (const { agent } of this.#exits.values()) agent.destroy();
    this.#exits.clear();
  }

  #exitAgent(routeId: RouteId, exit: ExitSelector, session: ExitSession): DialingAgent {
    const known = this.#exits.get(routeId);
    if (known?.sessionId === session.id) return known.agent;
    // Requests that are under way finish on the old session's connections, which are then not kept.
    if (known) known.agent.maxFreeSockets = 0;
    const agent = new DialingAgent(async (target) =>
      this.#metered(await this.#dialPlain(exit, session, target)),
    );
    this.#exits.set(routeId, { sessionId: session.id, agent });
    return agent;
  }

  /** `target` is the proxy itself where the upstream forwards plain requests. */
  #dialPlain(exit: ExitSelector, session: ExitSession, target: TunnelTarget): Promise<Socket> {
    const { upstream } = this.#options;
    if (upstream.forwarding(exit, session)) return dialDirect({ ...target, timeoutMs: DIAL_TIMEOUT_MS });
    return upstream.open(exit, session, target, AbortSignal.timeout(DIAL_TIMEOUT_MS));
  }

  #metered(socket: Socket): Socket {
    const end = this.#options.usage.follow(() => ({
      sentBytes: socket.bytesWritten,
      receivedBytes: socket.bytesRead,
    }));
    socket.once("close", end);
    return socket;
  }

  #dialDirect(target: TunnelTarget, signal?: AbortSignal): Promise<Socket> {
    const { host, port } = this.#whereTo(target);
    return dialDirect({ host, port, timeoutMs: DIAL_TIMEOUT_MS, ...(signal && { signal }) });
  }

  #whereTo({ host, port }: TunnelTarget): TunnelTarget {
    const own = this.#options.hosts[`${host.toLowerCase()}:${port}`];
    if (own === undefined) return { host, port };
    const colon = own.lastIndexOf(":");
    const address = own.slice(0, colon).replace(/^\[|\]$/g, "");
    if (isIP(address) === 0)
      throw new DialError("dns_error", `${host} is set to ${own}, which is no address.`);
    return { host: address, port: Number(own.slice(colon + 1)) };
  }
}
