import type { Finding } from "../doctor/examine.ts";
import type { SystemProxy } from "./system-proxy.ts";

/** Systems whose settings are changed by commands that were only checked against transcripts. */
const NEVER_RUN: Partial<Record<NodeJS.Platform, string>> = { darwin: "macOS", win32: "Windows" };

/** What `atlantic doctor` says of the desktop's proxy settings. */
export function systemProxyFinding(proxy: SystemProxy, platform: NodeJS.Platform): Finding {
  const name = "Desktop's proxy settings";
  const problem = proxy.leftover();
  if (problem !== null) {
    return { name, verdict: "bad", detail: problem, remedy: "atlantic disconnect --system-proxy" };
  }
  const view = proxy.view();
  if (view === null) return { name, verdict: "good", detail: `Your own.${untried(platform)}`, remedy: null };
  const whose = view.desktops.join(" and ") || "No desktop";
  const detail = `${whose} leads to 127.0.0.1:${view.port}, which any program here may use.${untried(platform)}`;
  if (view.problems.length === 0) return { name, verdict: "good", detail, remedy: null };
  return { name, verdict: "warning", detail: [detail, ...view.problems].join(" "), remedy: null };
}

function untried(platform: NodeJS.Platform): string {
  const system = NEVER_RUN[platform];
  return system ? ` Changing them on ${system} is compiled and simulated, not run on a real host.` : "";
}
