import type { BrowserPlan, ExitView, Status, tabViewSchema } from "@atlantic/shared/control/messages.ts";
import type { Route, RouteId } from "@atlantic/shared/routing/route.ts";
import type { z } from "zod";
import { Browser } from "../browsers/browser.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import { hasTrueIds } from "../browsers/plan-rules.ts";
import { nameRequests } from "../dns/name-requests.ts";
import type { Names } from "../dns/names.ts";
import type { PairingDesk } from "../pairing/pairing-desk.ts";
import type { PairingRequests } from "../pairing/pairing-requests.ts";
import type { PairingStore } from "../pairing/pairing-store.ts";
import type { Tickets } from "../pairing/tickets.ts";
import type { Protection } from "../protection/protection.ts";
import { protectionRequests } from "../protection/protection-requests.ts";
import type { AddressCheck } from "../sessions/address-check.ts";
import { keepAddressesKnown } from "../sessions/keep-known.ts";
import type { SessionBook } from "../sessions/session-book.ts";
import type { SystemProxy } from "../system-proxy/system-proxy.ts";
import { noDesktop, systemProxyRequests } from "../system-proxy/system-proxy-requests.ts";
import type { AccountApi } from "../upstream/account-api.ts";
import { VERSION } from "../version.ts";
import { ControlFailure } from "./control-failure.ts";
import type { Link, RequestHandlers } from "./link.ts";

export interface RequestParts {
  readonly registry: BrowserRegistry;
  readonly sessions: SessionBook;
  readonly addresses: AddressCheck;
  readonly pairings: PairingStore;
  readonly desk: PairingDesk;
  readonly waitingPairings: PairingRequests;
  readonly tickets: Tickets;
  readonly proxy: { readonly host: string; readonly port: () => number };
  readonly status: () => Promise<Status>;
  readonly api: AccountApi;
  /** Null where the companion runs without privilege. */
  readonly protection: Protection | null;
  readonly systemProxy: SystemProxy;
  readonly names: Names;
  readonly doctor: () => ReturnType<RequestHandlers["doctor.run"]>;
  /** Closes what runs on the route's old session. */
  readonly endSession: (routeId: RouteId) => void;
  /** The link of a connected browser. */
  readonly linkOf: (browser: Browser) => Link | undefined;
}

/** Longest that a rotation waits for the new address before it answers without it. */
const ADDRESS_WAIT_MS = 8_000;

/** What the companion does with each request. */
export function requestHandlers(parts: RequestParts): RequestHandlers {
  const { registry, sessions, desk, waitingPairings, tickets } = parts;
  return {
    hello: (link, { client, pairingToken }) => {
      link.name = client.name;
      if (client.kind === "cli" && !link.isRelayed) {
        // At a terminal. Where the whole machine is protected, root may release it; others ask by `tier.raise`.
        link.tier = parts.protection && link.credentials?.uid === 0 ? "release" : "policy";
        return { tier: link.tier, version: VERSION, browser: null };
      }
      return welcomeBrowser(parts, link, pairingToken);
    },
    "pair.begin": (link, { token }) => desk.begin(link, token),
    "pair.confirm": (link, { accepted }) => {
      desk.confirm(link, accepted);
      return {};
    },
    "pair.pending": () =>
      waitingPairings
        .pending()
        .map(({ id, name, words, expiresAt }) => ({ id, name, words: [...words], expiresAt })),
    "pair.answer": (_, { id, accepted }) => {
      desk.answer(id, accepted);
      return {};
    },
    "pair.ticket": () => tickets.issue(),
    "status.get": () => parts.status(),
    "exits.list": () => listExits(parts.api),
    "plan.apply": (link, plan) => applyPlan(parts, link, plan),
    "session.rotate": (_, { routeId }) => rotate(parts, routeId),
    "route.list": () => registry.all().flatMap(tabsOf),
    "route.set": async (_, { browser, scope, route }) => {
      const link = parts.linkOf(chosenBrowser(registry, browser));
      if (!link) throw new ControlFailure("unavailable", "That browser is not connected any more.");
      return link.ask("route.set", { scope, route });
    },
    "doctor.run": () => parts.doctor(),
    ...protectionRequests(parts.protection),
    ...nameRequests(parts.names),
    ...(parts.protection ? noDesktop : systemProxyRequests(parts.systemProxy, parts.addresses)),
  };

  function rotate({ addresses, endSession, systemProxy }: RequestParts, routeId: RouteId) {
    const route = systemProxy.routeOf(routeId) ?? knownRoute(registry, routeId);
    if (route?.kind !== "exit") {
      throw new ControlFailure("not_found", "Nothing uses that route now, so there is no session to renew.");
    }
    sessions.rotate(routeId);
    endSession(routeId);
    return withAddress(addresses.run(routeId, route), routeId);
  }

  async function withAddress(check: Promise<void>, routeId: RouteId) {
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ADDRESS_WAIT_MS);
    await Promise.race([check, timeout]);
    clearTimeout(timer);
    const view = sessions.view(routeId);
    if (view) return view;
    throw new ControlFailure("unavailable", "The session ended while its address was looked up. Try again.");
  }
}

function welcomeBrowser(
  { pairings, registry, proxy }: RequestParts,
  link: Link,
  pairingToken: string | undefined,
): Awaited<ReturnType<RequestHandlers["hello"]>> {
  const paired = pairingToken === undefined ? undefined : pairings.find(pairingToken);
  if (link.browser) registry.leave(link.browser);
  link.browser = null;
  link.tier = "none";
  if (!paired) return { tier: link.tier, version: VERSION, browser: null };
  const secrets = registry.secretsOf(paired.id);
  const browser = new Browser({
    id: paired.id,
    name: link.name,
    secrets,
    tell: link.tell,
    hasToldAll: () => link.ask("news.told", {}),
  });
  link.browser = browser;
  link.tier = "choose";
  registry.join(browser);
  return {
    tier: link.tier,
    version: VERSION,
    browser: { id: paired.id, proxyHost: proxy.host, proxyPort: proxy.port(), ...secrets },
  };
}

function applyPlan(
  { registry, addresses }: RequestParts,
  link: Link,
  plan: BrowserPlan,
): { revision: number; closedTunnels: number } {
  const { browser } = link;
  if (!browser || registry.get(browser.id) !== browser) {
    throw new ControlFailure("not_allowed", "Only a paired browser has a plan. Say hello again.");
  }
  if (!hasTrueIds(plan))
    throw new ControlFailure("malformed", "A route's id in the plan is not the route's own.");
  if (browser.plan && plan.revision < browser.plan.revision) {
    throw new ControlFailure("malformed", "A newer plan has been applied already.");
  }
  const closedTunnels = registry.apply(browser, plan);
  keepAddressesKnown(registry, addresses);
  return { revision: plan.revision, closedTunnels };
}

async function listExits(api: AccountApi): Promise<ExitView[]> {
  try {
    return await api.exits();
  } catch (error) {
    const message = error instanceof Error ? error.message : "The exits are not known.";
    throw new ControlFailure("unavailable", message);
  }
}

function tabsOf(browser: Browser): z.input<typeof tabViewSchema>[] {
  const { plan } = browser;
  if (!plan) return [];
  return plan.tabs.flatMap((tab) => {
    const route = plan.routes[tab.routeId];
    return route ? [{ browser: browser.id, ...tab, route }] : [];
  });
}

function chosenBrowser(registry: BrowserRegistry, id: string | undefined): Browser {
  const browsers = registry.all();
  const chosen = id === undefined ? browsers[0] : registry.get(id);
  if (id === undefined && browsers.length > 1) {
    const names = browsers.map((browser) => `${browser.id} (${browser.name})`).join(", ");
    throw new ControlFailure(
      "not_found",
      `Several browsers are connected; name one with --browser: ${names}.`,
    );
  }
  if (chosen) return chosen;
  throw new ControlFailure(
    "not_found",
    "No browser with the extension is connected. Open one with npm run browser.",
  );
}

function knownRoute(registry: BrowserRegistry, routeId: RouteId): Route | undefined {
  for (const { plan } of registry.all()) {
    const route = plan?.routes[routeId];
    if (route) return route;
  }
  return undefined;
}
