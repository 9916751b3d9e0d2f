import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import type { BrowserPlan } from "@atlantic/shared/control/messages.ts";
import { type Route, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";

/** The route that the plan knows under this id. */
export function routeOf(plan: BrowserPlan, id: RouteId): Route | undefined {
  return Object.hasOwn(plan.routes, id) ? plan.routes[id] : undefined;
}

/** Whether every id in the plan names the route that `routeId` gives it: ids are shared by all browsers. */
export function hasTrueIds(plan: BrowserPlan): boolean {
  return Object.entries(plan.routes).every(([id, route]) => routeId(route) === id);
}

/** Whether an attribution is what the plan says now. A new tunnel is accepted only then. */
export function agrees(plan: BrowserPlan, attribution: Attribution): boolean {
  if (!routeOf(plan, attribution.routeId)) return false;
  switch (attribution.kind) {
    case "steady":
      return plan.mode.kind === "steady" && plan.mode.routeId === attribution.routeId;
    case "tab":
      return isTabOn(plan, attribution.tabId, attribution.routeId) && !isSharedWithOther(plan, attribution);
    case "worker":
      return (
        fitsMode(plan, attribution.routeId) && !hasOtherRouteAt(plan, attribution.site, attribution.routeId)
      );
  }
}

/**
 * Whether a plain request was sent under the steady plan before this one, by a tab that has not turned since. Its header
 * was set for it alone; a steady credential would prove nothing, because the browser repeats it for every tab.
 */
export function agreesAsPlain(plan: BrowserPlan, attribution: Attribution): boolean {
  return (
    attribution.kind === "steady" &&
    plan.mode.kind === "attributed" &&
    plan.mode.keepSteady === attribution.routeId &&
    routeOf(plan, attribution.routeId) !== undefined
  );
}

/** Whether an attribution that does not agree with the plan was right before a tab turned. */
export function isOutdated(plan: BrowserPlan, attribution: Attribution): boolean {
  if (attribution.kind === "tab") return plan.tabs.some(({ tabId }) => tabId === attribution.tabId);
  return attribution.kind === "steady";
}

/**
 * Whether an open tunnel must be closed under this plan, which may be newer than the one that accepted it.
 * `isAwaited`: a request for the tunnel's host is still under way, so a page that is being loaded may not be cut off
 * only because the plan does not show its tab at the new site yet.
 */
export function isWrong(plan: BrowserPlan, attribution: Attribution, isAwaited: boolean): boolean {
  if (!routeOf(plan, attribution.routeId) || !fitsMode(plan, attribution.routeId)) return true;
  if (plan.mode.kind === "steady") return false;
  if (attribution.kind === "steady") return plan.mode.keepSteady !== attribution.routeId;
  if (attribution.kind === "tab" && hasTabMoved(plan, attribution)) return true;
  if (plan.mode.perRequest || isOwn(attribution)) return false;
  if (hasOtherRouteAt(plan, attribution.site, attribution.routeId)) return true;
  return !isAwaited && !plan.tabs.some((tab) => tab.site === attribution.site);
}

function isOwn(attribution: Attribution): boolean {
  return attribution.kind === "tab" && attribution.own === true;
}

/** Chrome pools sockets by the site of the page, so a tunnel there would serve tabs of another route too. */
function isSharedWithOther(plan: BrowserPlan, attribution: Attribution & { kind: "tab" }): boolean {
  if (plan.mode.kind === "steady" || plan.mode.perRequest || isOwn(attribution)) return false;
  return hasOtherRouteAt(plan, attribution.site, attribution.routeId);
}

function fitsMode(plan: BrowserPlan, id: RouteId): boolean {
  return plan.mode.kind === "attributed" || plan.mode.routeId === id;
}

function isTabOn(plan: BrowserPlan, tabId: number, id: RouteId): boolean {
  return fitsMode(plan, id) && plan.tabs.some((tab) => tab.tabId === tabId && tab.routeId === id);
}

/** A tab that goes from one page to another is listed twice for a while, perhaps under two routes. */
function hasTabMoved(
  plan: BrowserPlan,
  { tabId, site, routeId: id }: Attribution & { kind: "tab" },
): boolean {
  const listings = plan.tabs.filter((tab) => tab.tabId === tabId);
  const here = listings.filter((tab) => tab.site === site);
  return [here, listings].some((some) => some.length > 0 && some.every((tab) => tab.routeId !== id));
}

function hasOtherRouteAt(plan: BrowserPlan, site: string, id: RouteId): boolean {
  return plan.tabs.some((tab) => tab.site === site && tab.routeId !== id);
}
