import { z } from "zod";
import { DIRECT, type Route, type RouteId, routeId, routeSchema } from "./route.ts";

/** What the person wants, apart from single tabs. `sites` has one route for each site, in the sense of `siteOf`. */
export const rulesSchema = z.object({
  everything: routeSchema,
  sites: z.record(z.string(), routeSchema),
});
export type Rules = z.infer<typeof rulesSchema>;

export const NO_RULES: Rules = { everything: DIRECT, sites: {} };

/** A tab's own route: chosen for it, or taken over from the tab that opened it. */
export const tabRuleSchema = z.object({ route: routeSchema, because: z.enum(["tab", "opener"]) });
export type TabRule = z.infer<typeof tabRuleSchema>;

/** Where a page goes and what decided it. */
export interface Decision {
  readonly route: Route;
  readonly routeId: RouteId;
  readonly because: "tab" | "site" | "opener" | "everything";
}

/**
 * Where a tab goes while it shows a page of `site` (null: a page of no site). The narrowest rule decides: the tab's own,
 * then the site's, then the one for everything. What a page asks of other sites goes the way of the page.
 */
export function decide(rules: Rules, tabRule: TabRule | null, site: string | null): Decision {
  if (tabRule) return decision(tabRule.route, tabRule.because);
  const ofSite = site !== null && Object.hasOwn(rules.sites, site) ? rules.sites[site] : undefined;
  return ofSite ? decision(ofSite, "site") : decision(rules.everything, "everything");
}

/** The one sentence that says why a tab goes where it goes. `place` names the exit: "Berlin, Germany". */
export function why(
  decided: Pick<Decision, "route" | "because">,
  place: string,
  site: string | null,
): string {
  return `This tab ${way(decided.route, place)} because ${reason(decided.because, site, decided.route.kind === "block")}.`;
}

function decision(route: Route, because: Decision["because"]): Decision {
  return { route, routeId: routeId(route), because };
}

function way(route: Route, place: string): string {
  switch (route.kind) {
    case "direct":
      return "goes directly, through no exit,";
    case "block":
      return "is blocked";
    case "exit":
      return `goes through ${place}`;
  }
}

function reason(because: Decision["because"], site: string | null, blocked: boolean): string {
  switch (because) {
    case "tab":
      return "you chose so for this tab";
    case "site":
      return `you chose so for ${site ?? "this site"}`;
    case "opener":
      return blocked ? "the tab that opened it is" : "the tab that opened it does";
    case "everything":
      return "that is your choice for everything";
  }
}
