import type { Config } from "./config.ts";

/**
 * What ready-made lines ask for: the demonstration's echo site, which shows the address that it sees, where every exit
 * is one of this machine's; a provider's exits do not reach it.
 *
 * @param demonstration null where it is off, or the gateway is elsewhere
 */
export async function trialSite(
  config: Pick<Config, "directory" | "demonstration">,
  demonstration: { readonly echoHost: string } | null,
): Promise<string> {
  if (demonstration === null) return "https://example.com/";
  const { readConfiguredUpstreams } = await import("./gateway-part.ts");
  const { upstreams } = await readConfiguredUpstreams(config);
  const isDemonstration = upstreams.every(({ kind }) => kind === "local");
  return isDemonstration ? `http://${demonstration.echoHost}/` : "https://example.com/";
}
