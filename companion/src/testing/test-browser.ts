import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { type Attribution, formatAttribution } from "@atlantic/shared/control/attribution.ts";
import type {
  BrowserPlan,
  CompanionNotice,
  CompanionRequest,
  companionNotices,
  companionRequests,
  PendingRequest,
} from "@atlantic/shared/control/messages.ts";
import { type Route, routeId } from "@atlantic/shared/routing/route.ts";
import type { z } from "zod";
import { LinePeer } from "../control/line-peer.ts";

type Result<Name extends CompanionRequest> = z.output<(typeof companionRequests)[Name]["result"]>;

export interface Told {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a test looks at
  readonly params: any;
}

/** Speaks on the control socket as an extension does through the relay, or as the command. */
export class ControlStandIn {
  readonly told: Told[] = [];
  /** Answers the companion's own requests. */
  onAsk: (name: string, params: unknown) => Promise<unknown> = async () => ({});
  readonly #peer: LinePeer;
  readonly #listeners = new Set<() => void>();

  private constructor(peer: (standIn: ControlStandIn) => LinePeer) {
    this.#peer = peer(this);
  }

  static async open(path: string): Promise<ControlStandIn> {
    const socket = connect(path);
    await once(socket, "connect");
    return new ControlStandIn(
      (standIn) =>
        new LinePeer(socket, {
          ask: (name, params) => standIn.onAsk(name, params),
          tell: (name, params) => {
            standIn.told.push({ name, params });
            for (const listener of standIn.#listeners) listener();
          },
        }),
    );
  }

  ask<Name extends CompanionRequest>(
    name: Name,
    params: z.input<(typeof companionRequests)[Name]["params"]>,
  ): Promise<Result<Name>> {
    return this.#peer.ask(name, params) as Promise<Result<Name>>;
  }

  tell<Name extends CompanionNotice>(
    name: Name,
    params: z.input<(typeof companionNotices)[Name]["params"]>,
  ): void {
    this.#peer.tell(name, params);
  }

  /** Resolves with the first notice of this name that fits, past or to come. */
  async notice(
    name: string,
    fits: (params: Told["params"]) => boolean = () => true,
  ): Promise<Told["params"]> {
    for (;;) {
      const found = this.told.find((told) => told.name === name && fits(told.params));
      if (found) return found.params;
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  get closed(): Promise<void> {
    return this.#peer.closed;
  }

  close(): Promise<void> {
    this.#peer.close();
    return this.#peer.closed;
  }
}

export interface TabWish {
  readonly tabId: number;
  readonly site: string;
  readonly route: Route;
}

/** A paired browser with a plan, as the extension keeps it. */
export class TestBrowser {
  readonly control: ControlStandIn;
  readonly identity: NonNullable<Result<"hello">["browser"]>;
  #revision = 0;
  #lastRequest = 0;

  private constructor(control: ControlStandIn, identity: NonNullable<Result<"hello">["browser"]>) {
    this.control = control;
    this.identity = identity;
  }

  /** Pairs by confirming in its own popup. */
  static async open(
    controlSocket: string,
    { name = "Test browser", token = randomBytes(32).toString("hex") } = {},
  ): Promise<TestBrowser> {
    const control = await ControlStandIn.open(controlSocket);
    control.tell("relay.open", { origin: "chrome-extension://test/" });
    const client = { kind: "extension", name, version: "1" } as const;
    let hello = await control.ask("hello", { client, pairingToken: token });
    if (!hello.browser) {
      await control.ask("pair.begin", { token });
      await control.ask("pair.confirm", { accepted: true });
      await control.notice("pair.settled", ({ accepted }) => accepted);
      hello = await control.ask("hello", { client, pairingToken: token });
    }
    if (!hello.browser) throw new Error("The browser was not paired.");
    return new TestBrowser(control, hello.browser);
  }

  steady(route: Route, tabs: readonly Omit<TabWish, "route">[] = []): Promise<Result<"plan.apply">> {
    const mode = { kind: "steady", routeId: routeId(route) } as const;
    return this.#apply(
      mode,
      tabs.map((tab) => ({ ...tab, route })),
      [route],
    );
  }

  attributed(
    tabs: readonly TabWish[],
    { perRequest = false, more = [] as readonly Route[] } = {},
  ): Promise<Result<"plan.apply">> {
    const mode = { kind: "attributed", perRequest, imagesMayBeChallenged: false } as const;
    return this.#apply(mode, tabs, more);
  }

  #apply(
    mode: BrowserPlan["mode"],
    tabs: readonly TabWish[],
    more: readonly Route[],
  ): Promise<Result<"plan.apply">> {
    this.#revision += 1;
    const routes = [...tabs.map(({ route }) => route), ...more];
    return this.control.ask("plan.apply", {
      revision: this.#revision,
      mode,
      routes: Object.fromEntries(routes.map((route) => [routeId(route), route])),
      tabs: tabs.map(({ tabId, site, route }) => ({ tabId, site, routeId: routeId(route) })),
    });
  }

  /** Tells of a request that is about to ask for a tunnel; returns its id. */
  requestStarted(host: string, port: number, about: Partial<PendingRequest> = {}): string {
    this.#lastRequest += 1;
    const requestId = `${this.#lastRequest}`;
    const request = { requestId, tabId: 1, frameId: 0, host, port, challengeable: true, ...about };
    this.control.tell("request.started", request);
    return requestId;
  }

  /** The value of Proxy-Authorization that answers a challenge. */
  credential(attribution: Attribution, nonce?: string): string {
    const { proxySecret } = this.identity;
    const password = nonce === undefined ? proxySecret : `${proxySecret}.${nonce}`;
    return `Basic ${Buffer.from(`${formatAttribution(attribution)}:${password}`).toString("base64")}`;
  }

  /** The value of the attribution header of a plain request. */
  header(attribution: Attribution): string {
    return `${this.identity.headerToken}/${formatAttribution(attribution)}`;
  }
}

export function tabAttribution(tabId: number, site: string, route: Route): Attribution & { kind: "tab" } {
  return { kind: "tab", tabId, site, routeId: routeId(route) };
}

export function exitRoute(country: string): Route {
  return { kind: "exit", exit: { country } };
}
