import { NameFilter } from "../filter/name-filter.ts";
import type { SetSource } from "../filter/set-source.ts";
import { type Resolver, type ResolverOptions, startResolver } from "../resolver.ts";
import { type DohSite, openDohSite, type SiteAnswer } from "./doh-site.ts";

export interface DnsStage {
  readonly resolver: Resolver;
  readonly filter: NameFilter;
  readonly site: DohSite;
  readonly place: { readonly host: string; readonly port: number };
  [Symbol.asyncDispose](): Promise<void>;
}

/** A resolver with one server behind it, all on loopback. */
export async function openStage(
  answer: (query: Buffer) => SiteAnswer | Promise<SiteAnswer>,
  options: Partial<ResolverOptions> & { readonly sources?: readonly SetSource[] } = {},
): Promise<DnsStage> {
  const site = await openDohSite("doh.test.example", { answer });
  const filter = new NameFilter();
  await filter.load(options.sources ?? []);
  const resolver = await startResolver({
    listen: [{ host: "127.0.0.1", port: 0 }],
    dial: site.dial,
    servers: [site.server],
    authorities: [site.authority],
    fakeAddresses: false,
    filter,
    ...options,
  });
  const [place] = resolver.addresses;
  if (place === undefined) throw new Error("The resolver listens nowhere.");
  return {
    resolver,
    filter,
    site,
    place,
    async [Symbol.asyncDispose]() {
      await resolver.close();
      await site.close();
    },
  };
}
