import { getDomain } from "tldts";

/**
 * The site of a page: its registrable domain, or the host itself where there is none (an address, a single label).
 * Null for pages that are not of the web.
 *
 * Browsers share connections between the tabs of one site. Names under private suffixes (`alice.github.io`) count as
 * one site here although a browser keeps them apart: too coarse costs a little time, too fine would mix up routes.
 */
export function siteOf(url: string): string | null {
  const host = hostOf(url.startsWith("blob:") ? url.slice("blob:".length) : url);
  return host === null ? null : siteOfHost(host);
}

/** The site that a host name belongs to. */
export function siteOfHost(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  return getDomain(name, { allowPrivateDomains: false }) ?? name;
}

function hostOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { protocol, hostname } = new URL(url);
  return /^(https?|wss?):$/.test(protocol) && hostname !== "" ? hostname : null;
}
