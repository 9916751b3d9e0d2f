import { decide, type Rules, type TabRule } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, DIRECT, type Route, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";
import type { Wanted } from "../engine/engine.ts";

/** What matters of a tab: its own rule, and the sites that it shows and is about to show. */
export interface TabFacts {
  readonly tabId: number;
  readonly rule: TabRule | null;
  readonly sites: readonly string[];
}

type Listing = Wanted["tabs"][number];

const BLOCKED = routeId(BLOCK);
const NO_WORKERS: ReadonlySet<string> = new Set();

/**
 * What the companion must do for these tabs. While all pages have one route no tunnel is attributed; with two routes
 * each is; with two routes on one site each request has a tunnel of its own.
 *
 * So it has while a site with workers is open: a service worker answers navigations before any rule of the browser
 * sees them, and would answer one tab's over a tunnel of another's.
 */
export function wantedPlan(
  rules: Rules,
  tabs: readonly TabFacts[],
  sitesWithWorkers: ReadonlySet<string> = NO_WORKERS,
): Wanted {
  const listings = tabs.flatMap((tab) => listingsOf(rules, tab));
  const live = listings.filter((listing) => listing.routeId !== BLOCKED);
  const routeIds = [...new Set(live.map((listing) => listing.routeId))];
  const [only = decide(rules, null, null).routeId, second] = routeIds;
  return {
    mode:
      second === undefined
        ? { kind: "steady", routeId: only }
        : {
            kind: "attributed",
            perRequest: hasConflict(live) || live.some(({ site }) => sitesWithWorkers.has(site)),
          },
    routes: routesOf(rules, tabs),
    tabs: listings.filter((listing) => listing.routeId !== BLOCKED || !isShown(live, listing.site)),
  };
}

function listingsOf(rules: Rules, { tabId, rule, sites }: TabFacts): Listing[] {
  return [...new Set(sites)].map((site) => ({ tabId, site, routeId: decide(rules, rule, site).routeId }));
}

/** A blocked tab sends nothing, so its site stays with the tabs that do. */
function isShown(live: readonly Listing[], site: string): boolean {
  return live.some((listing) => listing.site === site);
}

function hasConflict(live: readonly Listing[]): boolean {
  const routeOfSite = new Map<string, RouteId>();
  for (const { site, routeId: id } of live) {
    if ((routeOfSite.get(site) ?? id) !== id) return true;
    routeOfSite.set(site, id);
  }
  return false;
}

function routesOf(rules: Rules, tabs: readonly TabFacts[]): Record<RouteId, Route> {
  const routes = [DIRECT, BLOCK, rules.everything, ...Object.values(rules.sites)];
  for (const { rule } of tabs) if (rule) routes.push(rule.route);
  return Object.fromEntries(routes.map((route) => [routeId(route), route])) as Record<RouteId, Route>;
}
