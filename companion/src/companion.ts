import type { ExitView, Status } from "@atlantic/shared/control/messages.ts";
import { allows } from "@atlantic/shared/control/tiers.ts";
import type { Logger } from "pino";
import type { Browser } from "./browsers/browser.ts";
import { BrowserRegistry } from "./browsers/browser-registry.ts";
import type { CompanionConfig } from "./config.ts";
import { ControlFailure } from "./control/control-failure.ts";
import { ControlServer } from "./control/control-server.ts";
import { Link } from "./control/link.ts";
import { noticeHandlers } from "./control/notice-handlers.ts";
import { requestHandlers } from "./control/request-handlers.ts";
import type { CompanionPaths } from "./data-paths.ts";
import { examine } from "./doctor/examine.ts";
import { ChallengeTiming } from "./local-proxy/challenge-timing.ts";
import { HelperRequests } from "./local-proxy/helper-requests.ts";
import { LocalProxy, PROXY_HOST } from "./local-proxy/local-proxy.ts";
import { OpenFlows } from "./local-proxy/open-flows.ts";
import { PairingDesk } from "./pairing/pairing-desk.ts";
import { type PairingRequest, PairingRequests } from "./pairing/pairing-requests.ts";
import { PairingStore } from "./pairing/pairing-store.ts";
import { Tickets } from "./pairing/tickets.ts";
import { AddressCheck } from "./sessions/address-check.ts";
import { keepAddressesKnown } from "./sessions/keep-known.ts";
import { SessionBook } from "./sessions/session-book.ts";
import { readState, writeState } from "./state/state-file.ts";
import { StatusNews } from "./status/status-news.ts";
import { UpstreamWatch } from "./status/upstream-watch.ts";
import { accountApi } from "./upstream/account-api.ts";
import { ProxyUpstream } from "./upstream/proxy-upstream.ts";
import { RouteDialer } from "./upstream/route-dialer.ts";
import { UsageMeter } from "./upstream/usage-meter.ts";
import { VERSION } from "./version.ts";

export interface CompanionOptions {
  readonly config: CompanionConfig;
  readonly paths: CompanionPaths;
  readonly log: Logger;
  /** Shows a pairing request at the terminal. */
  readonly announcePairing: (request: PairingRequest) => void;
}

export interface RunningCompanion {
  readonly proxyPort: number;
  readonly controlSocket: string;
  close(): Promise<void>;
}

/** How often the usage and the sessions that clients see are looked at. */
const LOOK_MS = 1_000;

/**
 * Builds the companion and starts it: the control socket first, which also keeps a second one from starting.
 * @throws ClearError when it cannot run
 */
export async function startCompanion(options: CompanionOptions): Promise<RunningCompanion> {
  const { config, paths, log } = options;
  const startedAt = Date.now();
  const state = readState(paths.state);
  const links = new Set<Link>();

  const save = () => {
    try {
      writeState(paths.state, { version: 1, paired: [...pairings.all()], sessions: sessions.kept() });
    } catch (error) {
      log.error({ err: error }, "The state could not be written");
    }
  };
  const news = new StatusNews(() => void publish());
  const pairings: PairingStore = new PairingStore(state.paired, save);
  const sessions: SessionBook = new SessionBook(
    {
      changed: () => {
        save();
        news.changed();
      },
    },
    state.sessions,
  );
  const usage = new UsageMeter();
  const upstream = new ProxyUpstream(config.upstream);
  const api = accountApi(config.upstream);
  const watch = new UpstreamWatch(upstream, api, () => news.changed());
  const dialer = new RouteDialer({ upstream, sessions, usage, hosts: config.hosts });
  const addresses = new AddressCheck(config.addressCheckUrl, dialer, sessions);
  const flows = new OpenFlows();
  const registry = new BrowserRegistry({
    planned: (browser) => {
      news.changed();
      return flows.closeWrong(browser, performance.now());
    },
    left: (browser) => {
      const closed = flows.closeOf(browser);
      log.info({ browser: browser.id, closed }, "A browser is gone");
      news.changed();
    },
  });
  const helpers = new HelperRequests();
  const timing = new ChallengeTiming(registry, helpers);
  const proxy = new LocalProxy({ registry, timing, helpers, flows, dialer, usage });
  let proxyPort = config.proxyPort;

  const tickets = new Tickets();
  const waitingPairings = new PairingRequests();
  const desk = new PairingDesk({
    store: pairings,
    requests: waitingPairings,
    tickets,
    announce: options.announcePairing,
    now: Date.now,
  });
  const handlers = requestHandlers({
    registry,
    sessions,
    addresses,
    pairings,
    desk,
    waitingPairings,
    tickets,
    proxy: { host: PROXY_HOST, port: () => proxyPort },
    status: async () => {
      await watch.lookIfOld(2_000);
      return status();
    },
    exits: () => listExits(),
    doctor: () => examine({ config, paths, watch, api, registry, pairings }),
    endSession: (routeId) => {
      dialer.forget(routeId);
      flows.closeOn(routeId);
    },
    linkOf: (browser: Browser) => [...links].find((link) => link.browser === browser),
  });
  const notices = noticeHandlers(registry, tickets);
  const control = new ControlServer((socket) => {
    const link = new Link(socket, handlers, notices, (request, error) => {
      log.error({ request, err: error }, "A control request failed");
    });
    links.add(link);
    void link.closed.then(() => {
      links.delete(link);
      desk.forget(link);
      if (link.browser) registry.leave(link.browser);
    });
  });

  function status(): Status {
    return {
      version: VERSION,
      startedAt,
      proxy: { host: PROXY_HOST, port: proxyPort },
      upstream: { kind: upstream.kind, name: upstream.name, ...watch.health },
      browsers: registry.all().map(({ id, name, plan }) => ({
        id,
        name,
        tabs: plan?.tabs.length ?? 0,
        routes: new Set(plan?.tabs.map((tab) => tab.routeId)).size,
      })),
      sessions: sessions.views(),
      usage: usage.totals(),
      account: watch.balance,
    };
  }

  async function listExits(): Promise<ExitView[]> {
    try {
      return await api.exits();
    } catch (error) {
      throw new ControlFailure(
        "unavailable",
        error instanceof Error ? error.message : "The exits are not known.",
      );
    }
  }

  function publish(): void {
    const now = status();
    for (const link of links) if (allows(link.tier, "status")) link.tell("status.changed", now);
  }

  await control.listen(paths.socketDirectory, paths.controlSocket);
  try {
    proxyPort = await proxy.listen(config.proxyPort);
  } catch (error) {
    await control.close();
    throw error;
  }
  void watch.start();
  let usageSeen = "";
  const look = setInterval(() => {
    const now = JSON.stringify(usage.totals());
    if (now !== usageSeen && links.size > 0) news.changed();
    usageSeen = now;
    keepAddressesKnown(registry, addresses);
  }, LOOK_MS);
  look.unref();
  log.info({ proxyPort, upstream: upstream.name }, "The companion is ready");

  return {
    proxyPort,
    controlSocket: paths.controlSocket,
    async close() {
      clearInterval(look);
      watch.stop();
      news.stop();
      flows.closeAll();
      await Promise.all([proxy.close(), control.close()]);
      dialer.close();
      save();
    },
  };
}
