import type { Attribution } from "../control/attribution.ts";
import type { BrowserPlan } from "../control/messages.ts";

/**
 * Whether a tunnel may carry on, or be opened, under a plan. The companion closes each tunnel that does not fit the
 * plan it has just been given, before it acknowledges that plan, and opens none that does not fit.
 *
 * A browser shares the tunnels of one site (the registrable domain of the page, whatever hosts the page talks to)
 * between all tabs that show this site. So a pooled tunnel fits only while no tab has this site under another route.
 * A tunnel of one request alone (`own`, or any tunnel while the plan is per request, because the names that pooled
 * tunnels hang on are then asked for no more) is wrong only for the tab that it belongs to.
 * A tab may be listed more than once: the page that it shows, and the one that it is about to show.
 */
export function tunnelFits(
  tunnel: Attribution,
  plan: Pick<BrowserPlan, "mode" | "routes" | "tabs">,
): boolean {
  if (plan.mode.kind === "steady") return tunnel.routeId === plan.mode.routeId;
  if (tunnel.kind === "steady") return false;
  if (!(tunnel.routeId in plan.routes)) return false;
  const ofSite = plan.tabs.filter((tab) => tab.site === tunnel.site);
  const alone = plan.mode.perRequest || (tunnel.kind === "tab" && tunnel.own === true);
  if (!alone) return ofSite.every((tab) => tab.routeId === tunnel.routeId);
  const mine = tunnel.kind === "tab" ? ofSite.filter((tab) => tab.tabId === tunnel.tabId) : ofSite;
  return mine.length === 0 || mine.some((tab) => tab.routeId === tunnel.routeId);
}
