/** A set of sites that may be all but a few. */
export type SiteSet =
  | { readonly kind: "only"; readonly sites: readonly string[] }
  | { readonly kind: "except"; readonly sites: readonly string[] };

export const NO_SITES: SiteSet = { kind: "only", sites: [] };
export const ALL_SITES: SiteSet = { kind: "except", sites: [] };

export function holds(set: SiteSet, site: string): boolean {
  return set.sites.includes(site) === (set.kind === "only");
}

/** The sites that are in both. */
export function both(a: SiteSet, b: SiteSet): SiteSet {
  if (a.kind === "only") return { kind: "only", sites: a.sites.filter((site) => holds(b, site)) };
  if (b.kind === "only") return both(b, a);
  return { kind: "except", sites: [...new Set([...a.sites, ...b.sites])].sort() };
}
