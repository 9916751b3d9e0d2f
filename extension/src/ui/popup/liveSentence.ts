import type { PopupModel } from "../../messages.ts";

/** How many pages are open and how many exits they use, when that is more than one. */
export function liveSentence(live: PopupModel["live"]): string {
  return live.exits > 1 ? `Open: ${live.tabs} tabs, ${live.exits} exits.` : "";
}
