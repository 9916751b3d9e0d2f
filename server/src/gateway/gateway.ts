import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ConnectionRecord } from "../metering/usage-recorder.ts";
import { Authenticator } from "./authenticator.ts";
import { ClientConnections } from "./client-connections.ts";
import type { GatewayContext } from "./context.ts";
import { ExitSessions } from "./exit-sessions.ts";
import { OpenFlows } from "./flow.ts";
import { unlimitedFlows } from "./flow-limits.ts";
import { FlowOpener } from "./flow-opener.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";
import { GatewayTally } from "./gateway-tally.ts";
import { UpstreamPool } from "./http/upstream-pool.ts";
import { ConnectionGuard } from "./limits/connection-guard.ts";
import { refuseOpenProxy } from "./limits/open-proxy-check.ts";
import { DEFAULT_LIMITS, type Gateway, type GatewayCounts, type GatewayOptions } from "./options.ts";
import type { SessionBeginning } from "./shared-sessions.ts";
import { TargetGuard } from "./target-guard.ts";
import { TlsDoor } from "./tls/tls-door.ts";
import { ProviderConnections } from "./upstreams/provider-connections.ts";
import { UpstreamOrder } from "./upstreams/upstream-order.ts";

const SWEEP_MS = 1_000;
const STILL_DIALLING_MS = 2_000;

/**
 * Starts the metered forward proxy: HTTP/1.1 forwarding, CONNECT and SOCKS5 on one port, always with authentication.
 * @throws OpenProxyError when it would let strangers in; the listen error, EADDRINUSE among them
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new RunningGateway(options);
  await gateway.listen(options.port, options.host);
  return gateway;
}

class RunningGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #tally = new GatewayTally();
  readonly #flows = new OpenFlows((flow) => this.#tally.ended(flow));
  readonly #pool = new UpstreamPool();
  readonly #providerConnections = new ProviderConnections();
  readonly #guard: TargetGuard;
  readonly #upstreams: UpstreamOrder;
  readonly #opener: FlowOpener;
  readonly #context: GatewayContext;
  readonly #connections = new ClientConnections();
  #now = performance.now();
  #credentialEpoch = 0;
  #stopped: Promise<void> | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #door: FrontDoor | undefined;
  #problem: string | null = null;
  #tls: TlsDoor | undefined;
  host = "";
  port = 0;

  constructor(options: GatewayOptions) {
    const clock = options.clock ?? Date.now;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const guard = new ConnectionGuard(options.guard);
    this.#options = options;
    this.#guard = new TargetGuard(options.targets);
    this.#upstreams = new UpstreamOrder(options.upstreams, clock);
    this.#opener = new FlowOpener({
      flows: this.#flows,
      usage: options.usage,
      sessions: new ExitSessions({
        clock,
        ...(options.sessionKey && { key: options.sessionKey }),
        ...(options.sharedSessions && { shared: options.sharedSessions }),
      }),
      upstreams: this.#upstreams,
      guard: this.#guard,
      limits,
      flowLimits: options.flowLimits ?? unlimitedFlows,
      clock,
      keepAlive: options.keepAlive ?? null,
      dial: (plan, dialOptions) => this.#providerConnections.dial(plan, dialOptions),
    });
    this.#context = {
      authenticator: new Authenticator(options.credentials, clock, (client) => guard.known(client)),
      guard,
      opener: this.#opener,
      pool: this.#pool,
      limits,
      logger: options.logger,
      told: (error) => this.#tally.told(error),
      now: () => this.#now,
      credentialEpoch: () => this.#credentialEpoch,
      native: options.native ?? true,
      nodeId: randomBytes(8).toString("hex"),
      connections: this.#connections,
    };
  }

  async listen(port: number, host: string): Promise<void> {
    await refuseOpenProxy(host, this.#options.credentials);
    const { reusePort = false, native = true } = this.#options;
    const parts = {
      context: this.#context,
      connections: this.#connections,
      onFailure: (error: Error) => this.#fail(error),
    };
    this.#door = await openFrontDoor(parts, { host, port, reusePort, native });
    this.host = this.#door.address;
    this.port = this.#door.port;
    this.#guard.addOwnPort(this.port);
    await this.#openTlsDoor(host);
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  async #openTlsDoor(host: string): Promise<void> {
    const { tls: options, reusePort = false } = this.#options;
    if (options === undefined) return;
    const parts = { options, context: this.#context, connections: this.#connections };
    this.#tls = await TlsDoor.open(parts, { host, reusePort }).catch(async (error: unknown) => {
      await this.#stopListening();
      throw error;
    });
    this.#guard.addOwnPort(this.#tls.port);
  }

  get tls(): Gateway["tls"] {
    return this.#tls ?? null;
  }

  /** Without a door nobody is let in: whoever watches the process must see that and start another. */
  #fail(error: Error): void {
    this.#problem = error.message;
    this.#options.logger.fatal({ err: error }, "gateway cannot accept");
    queueMicrotask(() => {
      throw error;
    });
  }

  #sweep(): void {
    // A deadline was set by a clock that may be one sweep old: held against the sweep before, none comes early.
    const due = this.#now;
    this.#now = performance.now();
    this.#connections.checkDeadlines(due);
    this.#tls?.shareCosts();
    this.#pool.sweep(due);
    this.#providerConnections.sweep();
    this.#opener.sweep();
  }

  countOpen(userId?: string): number {
    return this.#flows.count(userId);
  }

  disconnect(connectionId: string): boolean {
    const flow = this.#flows.find(connectionId);
    if (flow === undefined || flow.isEnding) return false;
    flow.cut("disconnected");
    return true;
  }

  disconnectCredential(credentialId: string): number {
    this.decideAnew();
    const flows = this.#flows.ofCredential(credentialId);
    this.#options.credentials.forget(credentialId);
    for (const flow of flows) flow.cut("credential_revoked");
    return flows.length;
  }

  decideAnew(): void {
    this.#credentialEpoch += 1;
    this.#door?.decideAnew();
  }

  recheck(credentialId: string, reason: (flow: ConnectionRecord) => string | undefined): void {
    this.decideAnew();
    for (const flow of this.#flows.ofCredential(credentialId)) {
      const because = reason(flow.record);
      if (because !== undefined) flow.cut(because);
    }
  }

  inUse(): Iterable<{ id: string; userId: string }> {
    return this.#flows.credentials();
  }

  countOfCredential(credentialId: string): number {
    return this.#flows.countOfCredential(credentialId);
  }

  onUsage(listener: (userId: string) => void): () => void {
    return this.#options.usage.onUsage(listener);
  }

  peekSession(credentialId: string, username: GatewayUsername): SessionBeginning | undefined {
    return this.#opener.peekSession(credentialId, username);
  }

  health() {
    return {
      upstreams: this.#upstreams.states(),
      listening: this.#door?.isOpen ?? false,
      openConnections: this.#flows.count(),
      problem:
        this.#problem ??
        (this.#door?.isOpen ? this.#options.usage.problem() : "The gateway does not listen."),
    };
  }

  counts(): GatewayCounts {
    const { turnedAway } = this.#context.guard;
    return { ...this.#tally.read(this.#flows.all()), upstreams: this.#upstreams.counts(), turnedAway };
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#stopListening();
    this.#connections.drain();
    await Promise.race([this.#flows.none(), setTimeout(deadlineMs, undefined, { ref: false })]);
  }

  #stopListening(): Promise<void> {
    this.#tls?.stopListening();
    this.#stopped ??= this.#door?.stop() ?? Promise.resolve();
    return this.#stopped;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const closed = this.#stopListening();
    for (const flow of this.#flows.all()) flow.cut("closing");
    this.#connections.destroy();
    this.#tls?.close();
    this.#pool.close();
    this.#providerConnections.close();
    await closed;
    // What is still dialling ends by its own time-out, which nobody who stops the server wants to wait for.
    await Promise.race([this.#flows.none(), setTimeout(STILL_DIALLING_MS, undefined, { ref: false })]);
    await this.#options.usage.flush();
  }
}
