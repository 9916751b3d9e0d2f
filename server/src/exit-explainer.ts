import type { Config } from "./config.ts";
import type { ExitExplainer } from "./services/explain.ts";

/** Explains by the upstreams that are configured on this machine; the gateway reads the same file when it starts. */
export async function openExitExplainer(
  config: Pick<Config, "directory" | "demonstration">,
): Promise<ExitExplainer> {
  const [{ explainUpstreams }, { readConfiguredUpstreams }] = await Promise.all([
    import("./gateway/upstreams/explain-upstreams.ts"),
    import("./gateway-part.ts"),
  ]);
  const file = await readConfiguredUpstreams(config);
  return {
    upstreams: (exit, session) => explainUpstreams(file, exit, session),
    // The gateway that holds the session may be another process.
    session: () => null,
  };
}
