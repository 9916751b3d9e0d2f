import type { Route, RouteId } from "@atlantic/shared/routing/route.ts";
import type { BrowserRegistry } from "../browsers/browser-registry.ts";
import type { AddressCheck } from "./address-check.ts";

/** The exits that browsers have in their plans now, each once. */
function routesInUse(registry: BrowserRegistry): Map<RouteId, Route> {
  const plans = registry.all().flatMap(({ plan }) => (plan ? [plan] : []));
  return new Map(plans.flatMap(({ routes }) => Object.entries(routes) as [RouteId, Route][]));
}

/** Starts the next session of each exit in use whose last one has run out, so that its address is always known. */
export function keepAddressesKnown(registry: BrowserRegistry, addresses: AddressCheck): void {
  for (const [routeId, route] of routesInUse(registry)) void addresses.runIfUnknown(routeId, route);
}
