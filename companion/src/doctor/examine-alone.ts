import { ClearError } from "../clear-error.ts";
import { readConfig } from "../config.ts";
import type { CompanionPaths } from "../data-paths.ts";
import { UpstreamWatch } from "../status/upstream-watch.ts";
import { accountApi } from "../upstream/account-api.ts";
import { ProxyUpstream } from "../upstream/proxy-upstream.ts";
import { closedFileFinding } from "./closed-file-finding.ts";
import { addonFinding, addressFinding, exitsFinding, upstreamFinding } from "./examine.ts";
import { examineMachine } from "./examine-protection.ts";
import { type Finding, warning } from "./finding.ts";

/**
 * What can be looked at where no companion answers, and what could not be.
 * @param why nobody could be asked, in one sentence that says what to do
 */
export async function examineAlone(paths: CompanionPaths, why: string): Promise<Finding[]> {
  return [
    { name: "Companion", verdict: "bad", detail: why, remedy: null },
    ...(await configuredFindings(paths)),
    addonFinding(),
    ...examineMachine(),
    warning(
      "Not looked at",
      "Which browsers are connected, and the protection of the machine: only a running companion knows.",
      "Start it, and ask again.",
    ),
  ];
}

async function configuredFindings(paths: CompanionPaths): Promise<Finding[]> {
  try {
    const config = readConfig(paths.config);
    const api = accountApi(config.upstream);
    const watch = new UpstreamWatch(new ProxyUpstream(config.upstream), api, () => {});
    return [
      await upstreamFinding({ watch, config }),
      await exitsFinding({ api, config }),
      closedFileFinding("Configuration", paths.config, paths.isService ? "640" : "600"),
      addressFinding({ config }),
    ];
  } catch (error) {
    if (!(error instanceof ClearError)) throw error;
    const detail = `${error.message} Until then nobody knows which gateway to try.`;
    return [{ name: "Configuration", verdict: "bad", detail, remedy: null }];
  }
}
