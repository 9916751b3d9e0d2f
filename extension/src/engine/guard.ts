import type { RouteId } from "@atlantic/shared/routing/route.ts";
import type { SiteSet } from "./site-set.ts";

/** Tabs with the same rule of their own: the same navigations of theirs are free. */
export interface TabClass {
  /** Null: every tab, known or not. */
  readonly tabIds: readonly number[] | null;
  /** Sites that may be asked for with GET without waiting at the gate. */
  readonly free: SiteSet;
  /** Sites that may be sent a form without being stopped at the gate. */
  readonly freeToPost: SiteSet;
}

/** What plain http requests of a tab carry, so that the companion knows their route. */
export interface TabHeaders {
  readonly tabId: number;
  /** For what the page asks for; null where nothing may leave. */
  readonly page: RouteId | null;
  /** For navigations to sites without a rule. */
  readonly elsewhere: RouteId | null;
  /** For navigations to the sites that have a rule. */
  readonly sites: readonly { readonly routeId: RouteId; readonly sites: readonly string[] }[];
}

/** Which requests may go on and what they carry. Every navigation that is not free waits at the gate. */
export interface Guard {
  readonly classes: readonly TabClass[];
  /** Null before the companion has given one. */
  readonly headerToken: string | null;
  readonly headers:
    | { readonly kind: "steady"; readonly routeId: RouteId }
    | { readonly kind: "tabs"; readonly tabs: readonly TabHeaders[] };
  /** Tabs whose pages may ask for nothing. */
  readonly silenced: readonly number[];
}
