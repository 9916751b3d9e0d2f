import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import type { Logger } from "pino";
import { BrowserRegistry } from "./browsers/browser-registry.ts";
import type { CompanionConfig } from "./config.ts";
import { ControlServer } from "./control/control-server.ts";
import { Links } from "./control/links.ts";
import { noticeHandlers } from "./control/notice-handlers.ts";
import { requestHandlers } from "./control/request-handlers.ts";
import type { CompanionPaths } from "./data-paths.ts";
import { Names } from "./dns/names.ts";
import { examine } from "./doctor/examine.ts";
import { browserDoors } from "./local-proxy/browser-doors.ts";
import { ChallengeTiming } from "./local-proxy/challenge-timing.ts";
import { HelperRequests } from "./local-proxy/helper-requests.ts";
import { LocalProxy, PROXY_HOST } from "./local-proxy/local-proxy.ts";
import { OpenFlows } from "./local-proxy/open-flows.ts";
import { PairingDesk } from "./pairing/pairing-desk.ts";
import { type PairingRequest, PairingRequests } from "./pairing/pairing-requests.ts";
import { PairingStore } from "./pairing/pairing-store.ts";
import { Tickets } from "./pairing/tickets.ts";
import { openProtection } from "./protection/open-protection.ts";
import { AddressCheck } from "./sessions/address-check.ts";
import { keepAddressesKnown } from "./sessions/keep-known.ts";
import { SessionBook } from "./sessions/session-book.ts";
import { readState, writeState } from "./state/state-file.ts";
import { reportStatus } from "./status/report-status.ts";
import { StatusNews } from "./status/status-news.ts";
import { UpstreamWatch } from "./status/upstream-watch.ts";
import { desktopStores } from "./system-proxy/desktop-kinds.ts";
import { DesktopSettings } from "./system-proxy/desktop-settings.ts";
import { type RunCommand, runCommand } from "./system-proxy/run-command.ts";
import { SystemProxy } from "./system-proxy/system-proxy.ts";
import { accountApi } from "./upstream/account-api.ts";
import { ProxyUpstream } from "./upstream/proxy-upstream.ts";
import { RouteDialer } from "./upstream/route-dialer.ts";
import { UsageMeter } from "./upstream/usage-meter.ts";

export interface CompanionOptions {
  readonly config: CompanionConfig;
  readonly paths: CompanionPaths;
  readonly log: Logger;
  /** Shows a pairing request at the terminal. */
  readonly announcePairing: (request: PairingRequest) => void;
  /** Ends the process so that it is started again: a part of it is past mending. */
  readonly restart: () => void;
  /** Hears where the machine's protection stands (null: there is none): once the control socket answers, and then whenever it moves. */
  readonly stands?: (protection: ProtectionView | null) => void;
  /** Runs the programs that hold the desktop's settings. */
  readonly runCommand?: RunCommand;
  /** How long a request for a tunnel waits for a browser while none is connected. */
  readonly wakeWaitMs?: number;
}

export interface RunningCompanion {
  readonly proxyPort: number;
  readonly controlSocket: string;
  close(): Promise<void>;
}

/** How often the usage and the sessions that clients see are looked at. */
const LOOK_MS = 1_000;

/**
 * Builds the companion and starts it.
 * @throws ClearError when it cannot run
 */
export async function startCompanion(options: CompanionOptions): Promise<RunningCompanion> {
  const { config, paths, log } = options;
  const state = readState(paths.state);
  const links = new Links();
  const control = new ControlServer(paths.isService ? "group" : "own user", (socket, peer) =>
    links.accept(socket, peer, {
      requests: handlers,
      notices,
      reportFailure: (request, error) => log.error({ request, err: error }, "A control request failed"),
      closed: (link) => {
        desk.forget(link);
        if (link.browser) registry.leave(link.browser);
      },
    }),
  );
  // Of two that start at once, the one that finds the other has touched nothing.
  await control.prepare(paths.socketDirectory, paths.controlSocket);

  const save = () => {
    try {
      writeState(paths.state, { version: 1, paired: [...pairings.all()], sessions: sessions.kept() });
    } catch (error) {
      log.error({ err: error }, "The state could not be written");
    }
  };
  const news = new StatusNews(() => {
    // Nobody is there before all parts are.
    if (links.size > 0) links.publish(status());
  });
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
  const names = Names.open({ directory: paths.names, log, filtering: config.filtering });
  names.filter.onSet(() => links.publishFilter(names.browserFilter()));
  let answers = false;
  const protection = await openProtection({
    config,
    names,
    paths,
    log,
    changed: () => {
      news.changed();
      // It goes into what was wanted last before anybody can ask.
      if (answers) tellStand();
    },
    restart: options.restart,
  });
  const tellStand = () => options.stands?.(protection?.view() ?? null);
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
  const timing = new ChallengeTiming(registry, helpers, options.wakeWaitMs);
  const proxy = new LocalProxy(browserDoors({ registry, timing, helpers, flows, dialer, usage, names }));
  const settings = new DesktopSettings(paths.systemProxy, desktopStores(options.runCommand ?? runCommand));
  const systemProxy = new SystemProxy({
    settings,
    flows,
    dialer,
    usage,
    names,
    changed: () => news.changed(),
  });
  let proxyPort = config.proxyPort;
  const report = {
    startedAt: Date.now(),
    upstream,
    watch,
    registry,
    sessions,
    usage,
    protection,
    systemProxy,
  };
  const status = () => reportStatus(report, { host: PROXY_HOST, port: proxyPort });

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
    api,
    protection,
    systemProxy,
    names,
    doctor: () => examine({ config, paths, watch, api, registry, pairings, systemProxy, protection }),
    endSession: (routeId) => {
      dialer.forget(routeId);
      flows.closeOn(routeId);
    },
    linkOf: (browser) => links.of(browser),
  });
  const notices = noticeHandlers(registry, tickets);
  // The port first: of two that start at once, the one that does not get it has taken nothing from the other.
  proxyPort = await proxy.listen(config.proxyPort);
  await control.listen(paths.controlSocket);
  answers = true;
  // An earlier run that could not: it was killed, or the machine went down.
  await systemProxy.disconnect().catch((error) => log.error({ err: error }, "The proxy settings stay"));
  void watch.start();
  let usageSeen = "";
  const look = setInterval(() => {
    const now = JSON.stringify(usage.totals());
    if (now !== usageSeen && links.size > 0) news.changed();
    usageSeen = now;
    keepAddressesKnown(registry, addresses);
    const programs = systemProxy.view();
    if (programs) void addresses.runIfUnknown(programs.routeId, { kind: "exit", exit: programs.exit });
  }, LOOK_MS);
  look.unref();
  log.info({ proxyPort, upstream: upstream.name }, "The companion is ready");
  tellStand();

  return {
    proxyPort,
    controlSocket: paths.controlSocket,
    async close() {
      clearInterval(look);
      watch.stop();
      news.stop();
      await systemProxy.disconnect().catch((error) => log.error({ err: error }, "The proxy settings stay"));
      flows.closeAll();
      await Promise.all([proxy.close(), control.close(), protection?.close()]);
      dialer.close();
      names.close();
      save();
    },
  };
}
