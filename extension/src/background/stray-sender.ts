import { decide, type Rules } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";
import type { Conductor } from "./conductor.ts";

export interface StrayParts {
  readonly conductor: Conductor;
  readonly rules: () => Rules;
  readonly strays: () => "block" | "everything";
  /** A request that belongs to no tab was not let out. */
  readonly strayBlocked: (site: string | null) => void;
}

/** Whose request it is and where it goes. */
export interface Sender {
  readonly tabId: number | null;
  readonly site: string;
  readonly routeId: RouteId;
}

/**
 * Service and shared workers belong to no tab. Where the site that started one is open under one route, that is the
 * worker's; otherwise nobody can tell, and the person's choice for such requests decides.
 */
export function straySender(site: string | null, parts: StrayParts): Sender {
  const { mode, tabs } = parts.conductor.wanted();
  const routes = new Set(tabs.filter((tab) => tab.site === site).map((tab) => tab.routeId));
  const [only, second] = routes;
  if (only !== undefined && second === undefined) return { tabId: null, site: site ?? "", routeId: only };
  if (mode.kind === "steady") return { tabId: null, site: site ?? "", routeId: mode.routeId };
  if (site === null || parts.strays() === "everything") {
    return { tabId: null, site: site ?? "", routeId: decide(parts.rules(), null, site).routeId };
  }
  parts.strayBlocked(site);
  return { tabId: null, site, routeId: routeId(BLOCK) };
}
