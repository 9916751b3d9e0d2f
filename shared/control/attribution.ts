import { type RouteId, routeIdSchema } from "../routing/route.ts";

/**
 * Whose request a tunnel carries, as the extension answers the companion's 407 challenge.
 * Chrome sends it as the user name of Basic proxy credentials; the password carries the browser's secret and the nonce.
 */
export type Attribution =
  /**
   * A request of a tab, while more than one route is live. `site` is the registrable domain of the tab's page.
   * `own`: the challenger was a per-request proxy name, so no other request can use the tunnel
   * (only the browser sees the name; without `own` the tunnel counts as pooled).
   */
  | {
      readonly kind: "tab";
      readonly tabId: number;
      readonly site: string;
      readonly routeId: RouteId;
      readonly own?: true;
    }
  /** A request that belongs to no tab (a service or shared worker), decided by the site that started it. */
  | { readonly kind: "worker"; readonly site: string; readonly routeId: RouteId }
  /** Any request, while every tab has the same route: valid until the plan changes, so Chrome may repeat it. */
  | { readonly kind: "steady"; readonly routeId: RouteId };

/** What the companion asks: one realm is one challenge. `steady` realms accept the same answer again and again. */
export type Challenge = { readonly kind: "once"; readonly nonce: string } | { readonly kind: "steady" };

const sitePattern = /^[a-z0-9._:[\]-]{0,253}$/;
const noncePattern = /^[0-9a-f]{24,64}$/;

export function formatRealm(challenge: Challenge): string {
  return challenge.kind === "steady" ? "Atlantic" : `Atlantic ${challenge.nonce}`;
}

/** Reads a realm of ours; `undefined` for any other proxy's realm. */
export function parseRealm(realm: string): Challenge | undefined {
  if (realm === "Atlantic") return { kind: "steady" };
  const nonce = realm.startsWith("Atlantic ") ? realm.slice("Atlantic ".length) : "";
  return noncePattern.test(nonce) ? { kind: "once", nonce } : undefined;
}

export function formatAttribution(attribution: Attribution): string {
  switch (attribution.kind) {
    case "tab":
      return `tab/${attribution.tabId}/${attribution.routeId}/${encodeURIComponent(attribution.site)}${attribution.own ? "/own" : ""}`;
    case "worker":
      return `worker/${attribution.routeId}/${encodeURIComponent(attribution.site)}`;
    case "steady":
      return `steady/${attribution.routeId}`;
  }
}

/** Reads what `formatAttribution` wrote; `undefined` for anything else. */
export function parseAttribution(text: string): Attribution | undefined {
  const [kind, ...rest] = text.split("/");
  if (kind === "steady" && rest.length === 1) {
    const routeId = routeIdSchema.safeParse(rest[0]).data;
    return routeId && { kind, routeId };
  }
  if (kind === "worker" && rest.length === 2) {
    const routeId = routeIdSchema.safeParse(rest[0]).data;
    const site = parseSite(rest[1]);
    return routeId && site !== undefined ? { kind, routeId, site } : undefined;
  }
  if (kind === "tab" && (rest.length === 3 || (rest.length === 4 && rest[3] === "own"))) {
    const tabId = parseTabId(rest[0]);
    const routeId = routeIdSchema.safeParse(rest[1]).data;
    const site = parseSite(rest[2]);
    if (tabId === undefined || !routeId || site === undefined) return undefined;
    return rest.length === 4 ? { kind, tabId, routeId, site, own: true } : { kind, tabId, routeId, site };
  }
  return undefined;
}

function parseTabId(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function parseSite(encoded: string | undefined): string | undefined {
  if (encoded === undefined) return undefined;
  try {
    const site = decodeURIComponent(encoded);
    return sitePattern.test(site) ? site : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The header a session rule of the extension puts on plain http requests, which need no 407.
 * Its value is `<header token>/<attribution>`; the companion checks it and takes it off. It must never reach a site.
 */
export const ATTRIBUTION_HEADER = "x-atlantic-tab";
