import type { PopupModel } from "../../messages.ts";

/** How many tabs use how many exits, when more than one exit is in use at once. */
export function liveSentence(live: PopupModel["live"]): string {
  return live.exits > 1 ? `${live.tabs} tabs use ${live.exits} exits.` : "";
}
