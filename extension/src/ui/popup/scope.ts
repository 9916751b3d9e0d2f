import type { RouteScope } from "@atlantic/shared/control/messages.ts";
import type { TabModel } from "../../messages.ts";

export type ScopeKind = RouteScope["kind"];

/** Where a choice applies when the popup opens: the scope that decides now, so that choosing changes what is seen. */
export function initialScope(tab: TabModel | null): ScopeKind {
  if (!tab || tab.site === null) return "everything";
  return tab.because === "site" || tab.because === "everything" ? tab.because : "tab";
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
