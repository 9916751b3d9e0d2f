import type { Status } from "@atlantic/shared/control/messages.ts";
import type { Browser } from "../browsers/browser.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { Protection } from "../protection/protection.ts";
import type { SessionBook } from "../sessions/session-book.ts";
import type { SystemProxy } from "../system-proxy/system-proxy.ts";
import type { ExitUpstream } from "../upstream/exit-upstream.ts";
import type { UsageMeter } from "../upstream/usage-meter.ts";
import { VERSION } from "../version.ts";
import type { UpstreamWatch } from "./upstream-watch.ts";

export interface ReportParts {
  readonly startedAt: number;
  readonly upstream: ExitUpstream;
  readonly watch: UpstreamWatch;
  readonly registry: BrowserRegistry;
  readonly sessions: SessionBook;
  readonly usage: UsageMeter;
  /** Null where the companion runs without privilege. */
  readonly protection: Protection | null;
  readonly systemProxy: SystemProxy;
}

/** What clients are told of the companion, as of now. */
export function reportStatus(parts: ReportParts, proxy: Status["proxy"]): Status {
  const { startedAt, upstream, watch, registry, sessions, usage, protection, systemProxy } = parts;
  return {
    version: VERSION,
    startedAt,
    proxy,
    upstream: { kind: upstream.kind, name: upstream.name, ...watch.health },
    browsers: registry.all().map(viewOf),
    sessions: sessions.views(),
    usage: usage.totals(),
    account: watch.balance,
    protection: protection?.view() ?? null,
    systemProxy: systemProxy.view(),
  };
}

function viewOf({ id, name, plan }: Browser): Status["browsers"][number] {
  const tabs = plan?.tabs ?? [];
  return { id, name, tabs: tabs.length, routes: new Set(tabs.map((tab) => tab.routeId)).size };
}
