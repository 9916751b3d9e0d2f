import type { Socket } from "node:net";
import { relay } from "@atlantic/native";
import type { ListedRule } from "@atlantic/shared/blocking/urls/blocking-rule.ts";
import type { UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { proxyErrorOf, proxyErrors, proxyStatusValue } from "@atlantic/shared/errors.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { OpenRoute, RouteDialer } from "../upstream/route-dialer.ts";
import type { UsageMeter } from "../upstream/usage-meter.ts";
import { checkAttribution, type Identified } from "./attribution-check.ts";
import type { ChallengeTiming } from "./challenge-timing.ts";
import { ConnectionState } from "./connection-state.ts";
import { HeldSocket } from "./held-socket.ts";
import type { HelperRequests } from "./helper-requests.ts";
import type { FlowOwner, OpenFlow, OpenFlows, Target } from "./open-flows.ts";
import { type ProxyCredential, parseProxyCredential } from "./proxy-credential.ts";
import { sitesOf } from "./sites-of.ts";

/** More challenges than this on one connection are a circle: the browser's answers and its plan do not agree. */
const MAX_CHALLENGES = 8;

/** Long, because the gateway has its own limits and pages keep silent WebSockets. */
const TUNNEL_IDLE_MS = 3_600_000;

/** What carries a flow whose owner is known. */
export interface CarryParts {
  readonly flows: OpenFlows;
  readonly dialer: RouteDialer;
  readonly usage: UsageMeter;
  readonly names: FlowFilter;
}

/** Says which flows are blocked by their host's name, and which plain requests by their whole address. */
export interface FlowFilter {
  /** To be awaited before `blocksFlow`. */
  prepareForFlows(): Promise<void>;
  /** @param sites the sites whose page the flow may belong to */
  blocksFlow(host: string, sites: readonly string[]): boolean;
  /** To be awaited before anything of a plain request is decided. */
  prepareForRequests(): Promise<void>;
  /** The rule that blocks it, if one does. */
  blocksRequest(request: UrlRequest, sites: readonly string[]): ListedRule | undefined;
}

/** And what finds a browser's flows their owner. */
export interface TunnelParts extends CarryParts {
  readonly registry: BrowserRegistry;
  readonly timing: ChallengeTiming;
  readonly helpers: HelperRequests;
}

/** What the client hears about its tunnel before bytes flow. */
export interface TunnelAnswers {
  granted(socket: Socket): void;
  refused(socket: Socket, error: unknown): void;
}

/** CONNECT: whose it is, where it goes, and then its bytes. */
export class ConnectHandler {
  readonly #parts: TunnelParts;
  readonly #states = new WeakMap<Socket, ConnectionState>();
  readonly #takeBack: (socket: Socket) => void;

  /** `takeBack` reads the connection's next request after a challenge. */
  constructor(parts: TunnelParts, takeBack: (socket: Socket) => void) {
    this.#parts = parts;
    this.#takeBack = takeBack;
  }

  async handle(
    socket: Socket,
    head: Buffer,
    target: Target,
    authorization: string | undefined,
  ): Promise<void> {
    const state = this.#stateOf(socket, target);
    const held = new HeldSocket(socket, head);
    const credential = parseProxyCredential(authorization);
    const known = credential && this.#parts.registry.bySecret(credential.proxySecret);
    const found = credential && known && (await this.#identify(state, held, target, credential));
    if (found) return carryTunnel(this.#parts, held, target, found, connectAnswers);
    const kind =
      state.challenges < MAX_CHALLENGES && (await this.#parts.timing.next(target, known, held.signal));
    if (!kind || held.signal.aborted) return held.abandon();
    socket.write(challengeText(state.challenge(kind, target)));
    this.#takeBack(held.release());
  }

  #stateOf(socket: Socket, target: Target): ConnectionState {
    const known = this.#states.get(socket);
    if (known) {
      this.#parts.timing.challengeOver(target);
      return known;
    }
    const state = new ConnectionState();
    this.#states.set(socket, state);
    socket.once("close", () => this.#parts.timing.challengeOver(target));
    return state;
  }

  async #identify(
    state: ConnectionState,
    held: HeldSocket,
    target: Target,
    { attribution, proxySecret, nonce }: ProxyCredential,
  ): Promise<Identified | undefined> {
    const { registry, helpers } = this.#parts;
    const browser = registry.bySecret(proxySecret);
    if (!browser) return undefined;
    const isFresh = nonce === undefined ? attribution.kind === "steady" : state.take(nonce, target);
    if (!isFresh || (nonce !== undefined && attribution.kind === "steady")) return undefined;
    const tabId = attribution.kind === "tab" ? attribution.tabId : null;
    if (state.challenges > 0) browser.pending.answeredFor(tabId, target.host, target.port);
    // A credential that Chrome repeats unasked may be old: only an answer is worth waiting for its plan.
    const patience = state.challenges > 0 ? held.signal : AbortSignal.abort();
    const found = await checkAttribution(registry, browser, attribution, patience);
    if (found && tabId !== null) helpers.tunnelOpened(browser, tabId, target, performance.now());
    return found;
  }
}

/** Dials as the route says and relays until both sides have ended. */
export async function carryTunnel(
  { flows, dialer, usage, names }: CarryParts,
  held: HeldSocket,
  target: Target,
  owner: FlowOwner,
  answers: TunnelAnswers,
): Promise<void> {
  const { browser, attribution, route } = owner;
  if (route.kind === "block") return answers.refused(held.release(), null);
  let close = (_reason: string) => held.abandon();
  const flow: OpenFlow = { browser, attribution, target, close: (reason) => close(reason) };
  // Before it waits for anything, so that a change of its route meanwhile ends it.
  flows.add(flow);
  try {
    await names.prepareForFlows();
    if (held.signal.aborted) return held.abandon();
    if (names.blocksFlow(target.host, sitesOf(owner))) return answers.refused(held.release(), null);
    const upstream = await dialer.tunnel(route, attribution.routeId, target, held.signal);
    if (held.signal.aborted) return void upstream.destroy();
    const client = held.release();
    answers.granted(client);
    const relaying = relay(client, upstream, { idleMs: TUNNEL_IDLE_MS });
    close = (reason) => relaying.close(reason);
    const done = follow(usage, route, () => relaying.counters());
    await relaying.closed;
    done();
  } catch (error) {
    if (held.signal.aborted) held.abandon();
    else answers.refused(held.release(), error);
  } finally {
    flows.delete(flow);
  }
}

function follow(
  usage: UsageMeter,
  route: OpenRoute,
  counters: Parameters<UsageMeter["follow"]>[0],
): () => void {
  if (route.kind === "direct") return () => {};
  usage.countRequest();
  return usage.follow(counters);
}

export const connectAnswers: TunnelAnswers = {
  granted: (socket) => void socket.write("HTTP/1.1 200 Connection established\r\n\r\n"),
  // What nobody reads would keep the socket from closing.
  refused: (socket, error) => void socket.resume().end(refusalText(error)),
};

/** The status line and header of a refusal; `null`: the route says block. */
function refusalText(error: unknown): string {
  if (error === null) return "HTTP/1.1 403 Blocked\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const problem = proxyErrorOf(error);
  const { httpStatus } = proxyErrors[problem.code];
  // A browser would ask the person for a password on 407: the upstream's account is not theirs to type.
  const status = httpStatus === 407 ? 502 : httpStatus;
  return [
    `HTTP/1.1 ${status} ${problem.code}`,
    `Proxy-Status: ${proxyStatusValue(problem)}`,
    "Content-Length: 0",
    "Connection: close",
    "",
    "",
  ].join("\r\n");
}

function challengeText(realm: string): string {
  return [
    "HTTP/1.1 407 Proxy Authentication Required",
    `Proxy-Authenticate: Basic realm="${realm}"`,
    "Content-Length: 0",
    "Proxy-Connection: keep-alive",
    "Connection: keep-alive",
    "",
    "",
  ].join("\r\n");
}
