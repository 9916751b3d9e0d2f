import { useSyncExternalStore } from "react";
import type { Page, PageState } from "./connectPage.ts";

/** The page's state, rendered anew whenever the background sends a model. */
export function usePage(page: Page): PageState {
  return useSyncExternalStore(page.subscribe, page.read);
}
