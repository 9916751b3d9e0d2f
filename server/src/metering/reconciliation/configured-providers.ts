import { bindProvider, providerEntrySchema } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import type { UpstreamsFile } from "../../gateway/upstreams/configuration.ts";
import { type ProviderUsageSource, providerUsage } from "./provider-usage.ts";

/** The providers of a configuration that say what they counted, and whose key for that is configured. */
export function configuredProviders({ upstreams }: UpstreamsFile): ProviderUsageSource[] {
  return upstreams.flatMap((upstream) => {
    const entry = providerEntrySchema.safeParse(upstream);
    if (!entry.success) return [];
    const query = bindProvider(entry.data).adapter.usage?.query;
    const key = query && Object.entries(upstream).find(([field]) => field === query.keyField)?.[1];
    return query && typeof key === "string" ? [providerUsage(upstream.name, query, key)] : [];
  });
}
