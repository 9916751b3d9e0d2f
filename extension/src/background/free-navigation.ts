import { decide, type Rules, type TabRule } from "@atlantic/shared/routing/decide.ts";
import type { RouteId } from "@atlantic/shared/routing/route.ts";
import type { Wanted } from "../engine/engine.ts";
import type { SiteSet } from "../engine/site-set.ts";

/**
 * The routes that each site's tunnels may lead to. Whoever first goes to a site owns it; another route has to wait until
 * the companion has closed the owner's tunnels, or until each request has a tunnel of its own.
 */
export type Owners = ReadonlyMap<string, RouteId>;

export interface FreeNavigation {
  readonly free: SiteSet;
  readonly freeToPost: SiteSet;
}

/**
 * Where a tab with this rule may go without waiting at the gate, so that no request can leave by another route than
 * its tab's. A form may go to sites that nobody owns yet: it would lose its content at the gate.
 */
export function freeNavigation(
  rules: Rules,
  tabRule: TabRule | null,
  mode: Wanted["mode"],
  owners: Owners,
): FreeNavigation {
  const at = (site: string | null) => decide(rules, tabRule, site).routeId;
  if (mode.kind === "steady") return alike(sitesWhere(rules, at, (id) => id === mode.routeId));
  const open = sitesWhere(rules, at, (id) => id !== "block");
  if (mode.perRequest) return alike(open);
  const mine = [...owners].filter(([site, owner]) => owner === at(site) && owner !== "block");
  const foreign = [...owners].filter(([site, owner]) => owner !== at(site)).map(([site]) => site);
  return {
    free: { kind: "only", sites: mine.map(([site]) => site) },
    freeToPost: without(open, foreign),
  };
}

function alike(sites: SiteSet): FreeNavigation {
  return { free: sites, freeToPost: sites };
}

/** The sites whose route passes the test: those without a rule all have the same. */
function sitesWhere(
  rules: Rules,
  at: (site: string | null) => RouteId,
  passes: (id: RouteId) => boolean,
): SiteSet {
  const ruled = Object.keys(rules.sites);
  return passes(at(null))
    ? { kind: "except", sites: ruled.filter((site) => !passes(at(site))) }
    : { kind: "only", sites: ruled.filter((site) => passes(at(site))) };
}

function without(set: SiteSet, sites: readonly string[]): SiteSet {
  return set.kind === "only"
    ? { kind: "only", sites: set.sites.filter((site) => !sites.includes(site)) }
    : { kind: "except", sites: [...new Set([...set.sites, ...sites])] };
}
