import { decide, why } from "@atlantic/shared/routing/decide.ts";
import { DIRECT, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import type { PopupModel, SessionModel, TabModel } from "../messages.ts";
import { nameOfRoute } from "../ui/nameOfExit.ts";
import type { Companion } from "./companion.ts";
import type { Conductor } from "./conductor.ts";
import type { Intent } from "./intent.ts";
import type { TabState } from "./runtime.ts";

export interface ModelParts {
  readonly intent: Intent;
  readonly companion: Companion;
  readonly conductor: Conductor;
  readonly conflict: string | null;
  readonly tab: TabState | undefined;
  readonly tabs: readonly TabState[];
  readonly warnings: readonly string[];
}

/** Everything that the popup shows, from what the background knows. */
export function popupModel(parts: ModelParts): PopupModel {
  const { intent, companion, tab } = parts;
  const shown = tab ? tabModel(parts, tab) : null;
  return {
    link: companion.link,
    enabled: intent.enabled,
    conflict: parts.conflict,
    tab: shown,
    exits: companion.exits,
    session: shown ? sessionOf(companion, shown.route) : null,
    live: liveOf(parts),
    usage: usageOf(companion),
    protection: companion.status?.protection ?? null,
    programs: programsOf(companion),
    ...adsOf(parts, shown),
    warnings: [...parts.warnings, ...(parts.conductor.problem ? [parts.conductor.problem] : [])],
    rules: [
      ...Object.entries(intent.rules.sites)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([site, route]) => ({ scope: { kind: "site" as const, site }, route })),
      { scope: { kind: "everything" as const }, route: intent.rules.everything },
    ],
  };
}

/** A tab, where it goes and why. */
export function tabModel(
  { intent, companion, conductor }: Pick<ModelParts, "intent" | "companion" | "conductor">,
  tab: TabState,
): TabModel {
  const site = tab.site ?? tab.coming;
  const base = { tabId: tab.tabId, site };
  if (!intent.enabled) {
    return {
      ...base,
      route: DIRECT,
      because: "off",
      isInForce: conductor.isInForce(tab, null),
      sentence: "Atlantic Proxy is off: this tab goes directly, through no exit.",
    };
  }
  const { route, because } = decide(intent.rules, tab.rule, site);
  const isInForce = conductor.isInForce({ tabId: tab.tabId, site }, routeId(route));
  const sentence = why({ route, because }, nameOfRoute(route, companion.exits), site);
  const lost = companion.link.kind === "ready" ? "" : " Nothing leaves until the companion is back.";
  return { ...base, route, because, isInForce, sentence: `${sentence}${lost}` };
}

/** Only while the companion is there to change it. */
function adsOf({ intent, companion }: ModelParts, tab: TabModel | null): Pick<PopupModel, "ads"> {
  const site = tab?.site ?? null;
  const { filter } = intent;
  if (site === null || !filter?.isOn || companion.link.kind !== "ready" || !site.includes(".")) return {};
  return { ads: { site, blocked: !filter.unfiltered.includes(site) } };
}

function sessionOf(companion: Companion, route: Route): SessionModel | null {
  if (route.kind !== "exit") return null;
  const found = companion.status?.sessions.find((session) => session.routeId === routeId(route));
  if (!found) return null;
  const { startedAt, expiresAt, address, problem } = found;
  return { startedAt, expiresAt, address, problem };
}

function liveOf({ intent, tabs }: ModelParts): PopupModel["live"] {
  const pages = tabs.filter(({ site }) => site !== null);
  const exits = pages
    .map(({ rule, site }) => decide(intent.rules, rule, site))
    .filter(({ route }) => route.kind === "exit");
  return { tabs: pages.length, exits: new Set(exits.map((decision) => decision.routeId)).size };
}

function programsOf({ status, exits }: Companion): string | null {
  const exit = status?.systemProxy?.exit;
  return exit ? nameOfRoute({ kind: "exit", exit }, exits) : null;
}

function usageOf({ status }: Companion): PopupModel["usage"] {
  if (!status) return null;
  const { usage, account } = status;
  return {
    sentBytes: BigInt(usage.sentBytes),
    receivedBytes: BigInt(usage.receivedBytes),
    remainingBytes: account ? BigInt(account.remainingBytes) : null,
    allowanceBytes: account ? BigInt(account.allowanceBytes) : null,
  };
}
