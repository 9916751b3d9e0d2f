import type { DohServer } from "../resolver.ts";

/** Asked when nobody chose others. None of them filters: what is blocked is for the lists of this machine to say. */
export const DEFAULT_SERVERS: readonly DohServer[] = [
  { name: "Quad9", url: "https://dns10.quad9.net/dns-query" },
  { name: "Cloudflare", url: "https://cloudflare-dns.com/dns-query" },
  { name: "Mullvad", url: "https://dns.mullvad.net/dns-query" },
];
