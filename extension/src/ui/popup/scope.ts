import type { RouteScope } from "@atlantic/shared/control/messages.ts";
import type { TabModel } from "../../messages.ts";

export type ScopeKind = RouteScope["kind"];

/**
 * What a choice applies to when the popup opens: the rule that decides now, so that choosing changes what is seen.
 * Where nothing was chosen yet, that is the tab: the narrowest.
 */
export function initialScope(tab: TabModel | null): ScopeKind {
  if (!tab) return "everything";
  if (tab.because === "everything") return tab.route.kind === "direct" ? "tab" : "everything";
  return tab.because === "site" ? "site" : "tab";
}

/** The scope of a kind for this tab; everything where the tab is a page of the browser itself. */
export function scopeOf(kind: ScopeKind, tab: TabModel | null): RouteScope {
  if (kind === "tab" && tab) return { kind, tabId: tab.tabId };
  if (kind === "site" && tab?.site) return { kind, site: tab.site };
  return { kind: "everything" };
}

/** The scope whose rule decides for this tab, when the person may take that rule back here. */
export function scopeToForget(tab: TabModel | null): RouteScope | null {
  if (tab?.because === "tab") return scopeOf("tab", tab);
  if (tab?.because === "site") return scopeOf("site", tab);
  return null;
}
