import type { PopupModel } from "../../messages.ts";
import { exitOfRoute, nameOfRoute } from "../nameOfExit.ts";

/** How a state looks: dot, square, triangle or outline. */
export type Tone = "on" | "blocked" | "attention" | "direct";

/** The state of the tab in a word, a title and the address that sites see. */
export interface Headline {
  readonly tone: Tone;
  readonly word: string;
  readonly title: string;
  /** The address that the site sees, when it is known; it is set in the fixed-width face. */
  readonly address: string | null;
  /** What stands beside the address, or in its place. */
  readonly detail: string;
  /** Whether the exit is one of this machine, which leads nowhere else. */
  readonly demonstration: boolean;
}

const OWN_ADDRESS = "this computer's own address";

/** The headline of a paired browser. What stops traffic comes before what merely chooses its way. */
export function headlineOf(model: PopupModel): Headline {
  const plain = { address: null, demonstration: false };
  if (model.link.kind === "lost") {
    return {
      ...plain,
      tone: "blocked",
      word: "Blocked",
      title: "The companion is gone",
      detail: "exits are blocked",
    };
  }
  if (model.conflict !== null) {
    const detail = "another program chooses the way";
    return { ...plain, tone: "attention", word: "Not in control", title: "The proxy is not ours", detail };
  }
  if (model.tab && !model.tab.isInForce) {
    const { route } = model.tab;
    const title =
      route.kind === "block"
        ? "Blocking this tab"
        : route.kind === "exit"
          ? nameOfRoute(route, model.exits)
          : "No exit, direct";
    return { ...plain, tone: "direct", word: "Switching", title, detail: "not in force yet" };
  }
  if (!model.enabled) {
    return { ...plain, tone: "direct", word: "Off", title: "No exit, direct", detail: OWN_ADDRESS };
  }
  if (!model.tab) {
    const detail = "it does not travel through an exit";
    return { ...plain, tone: "on", word: "On", title: "A page of the browser", detail };
  }
  const route = model.tab.route;
  if (route.kind === "direct") {
    return { ...plain, tone: "direct", word: "Direct", title: "No exit, direct", detail: OWN_ADDRESS };
  }
  if (route.kind === "block") {
    return {
      ...plain,
      tone: "blocked",
      word: "Blocked",
      title: "Nothing leaves this tab",
      detail: "no site is reached",
    };
  }
  return headlineOfExit(model, nameOfRoute(route, model.exits));
}

function headlineOfExit(model: PopupModel, title: string): Headline {
  const exit = model.tab ? exitOfRoute(model.tab.route, model.exits) : undefined;
  const address = model.session?.address ?? null;
  const demonstration = exit?.demonstration ?? false;
  const network = exit?.network ?? "";
  const known = address === null ? "address not checked yet" : demonstration ? "" : network;
  // What the tab shows now came from the browser itself.
  const detail = model.tab?.site === null ? "from the next page on" : known;
  if (model.session?.problem) {
    return { tone: "blocked", word: "No answer", title, address, detail, demonstration };
  }
  return {
    tone: "on",
    word: demonstration ? "Exit in use" : "Protected",
    title,
    address,
    detail,
    demonstration,
  };
}
