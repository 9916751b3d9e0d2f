import type { Config } from "./config.ts";
import type { UpstreamExplainer } from "./services/explain.ts";

/** Explains by the upstreams that are configured on this machine; the gateway reads the same file when it starts. */
export async function openUpstreamExplainer(
  config: Pick<Config, "directory" | "demonstration">,
): Promise<UpstreamExplainer> {
  const [{ upstreamExplainer }, { readConfiguredUpstreams }] = await Promise.all([
    import("./gateway/upstreams/explain-upstreams.ts"),
    import("./gateway-part.ts"),
  ]);
  return upstreamExplainer(await readConfiguredUpstreams(config));
}
