import { bad, type Finding, good, warning } from "../doctor/finding.ts";
import type { SystemProxy } from "./system-proxy.ts";

/** Systems whose settings are changed by commands that were only checked against transcripts. */
const NEVER_RUN: Partial<Record<NodeJS.Platform, string>> = { darwin: "macOS", win32: "Windows" };

/** What `atlantic doctor` says of the desktop's proxy settings. */
export function systemProxyFinding(proxy: SystemProxy, platform: NodeJS.Platform): Finding {
  const name = "Desktop's proxy settings";
  const problem = proxy.leftover();
  if (problem !== null) {
    return bad(name, problem, "atlantic disconnect --system-proxy");
  }
  const view = proxy.view();
  if (view === null) return good(name, `Your own.${untried(platform)}`);
  const whose = view.desktops.join(" and ") || "No desktop";
  const detail = `${whose} leads to 127.0.0.1:${view.port}, which any program here may use.${untried(platform)}`;
  if (view.problems.length === 0) return good(name, detail);
  return warning(name, [detail, ...view.problems].join(" "), null);
}

function untried(platform: NodeJS.Platform): string {
  const system = NEVER_RUN[platform];
  return system ? ` Changing them on ${system} is compiled and simulated, not run on a real host.` : "";
}
