import type { FlowOwner } from "./open-flows.ts";

/**
 * The sites whose page a flow may belong to. A steady attribution names none, because the browser shares its tunnels among
 * all tabs: then it may be any site that is open.
 */
export function sitesOf({ browser, attribution }: FlowOwner): string[] {
  if (attribution.kind !== "steady") return [attribution.site];
  return [...new Set(browser?.plan?.tabs.map(({ site }) => site) ?? [])];
}
