import type { FlowOwner } from "./open-flows.ts";

/**
 * The sites whose page a flow may belong to. A plain request names its tab alone: then it is what the tab shows. A steady
 * attribution names nothing, because the browser shares its tunnels among all tabs: then it may be any site that is open.
 */
export function sitesOf({ browser, attribution }: FlowOwner): string[] {
  const tabs = browser?.plan?.tabs ?? [];
  if (attribution.kind === "steady") return distinct(tabs.map(({ site }) => site));
  if (attribution.site !== "" || attribution.kind !== "tab") return [attribution.site];
  return distinct(tabs.filter(({ tabId }) => tabId === attribution.tabId).map(({ site }) => site));
}

function distinct(sites: readonly string[]): string[] {
  return [...new Set(sites)];
}
