import { getDomain } from "tldts";

/** The host of an address as rules name hosts. Null where there is none. */
export function hostOf(url: string | undefined): string | null {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname;
  return (host && asRulesNameIt(host)) || null;
}

/** A host without the full stop at its end. */
export function asRulesNameIt(host: string): string {
  return host.replace(/\.$/, "");
}

/**
 * Whether two hosts are of different sites as browsers' filters see it: names that anybody may register below are apart
 * (the Public Suffix List, private entries with it), as `alice.github.io` and `bob.github.io` are.
 */
export function isThirdParty(host: string, initiator: string): boolean {
  return siteOf(host) !== siteOf(initiator);
}

function siteOf(host: string): string {
  return getDomain(host, { allowPrivateDomains: true }) ?? host;
}
