import type { Route } from "@atlantic/shared/routing/route.ts";
import { browser } from "wxt/browser";

/** What the toolbar shows for one tab. The text says it without colour; the title says it in a sentence. */
export interface Badge {
  readonly text: string;
  readonly tone: "exit" | "direct" | "blocked";
  readonly title: string;
}

export type IconState = "off" | "connecting" | "on" | "blocked" | "conflict";

const colours = { exit: "#1f5fbf", direct: "#5b6470", blocked: "#b42318" } as const;
const sizes = [16, 32, 48, 128];

export function badgeOf(route: Route, isReady: boolean, sentence: string): Badge {
  if (!isReady || route.kind === "block") return { text: "!", tone: "blocked", title: sentence };
  if (route.kind === "direct") return { text: "–", tone: "direct", title: sentence };
  return { text: route.exit.country?.toUpperCase() ?? "•", tone: "exit", title: sentence };
}

/** Draws badges, each only when it changed: Chrome forgets them at each navigation of the tab. */
export class BadgePainter {
  readonly #painted = new Map<number, string>();
  #icon: IconState | null = null;

  /** The tab shows another page, so its badge is gone. */
  forget(tabId: number): void {
    this.#painted.delete(tabId);
  }

  async paint(tabId: number, badge: Badge | null): Promise<void> {
    const wanted = JSON.stringify(badge);
    if (this.#painted.get(tabId) === wanted) return;
    this.#painted.set(tabId, wanted);
    const { action } = browser;
    await Promise.all([
      action.setBadgeText({ tabId, text: badge?.text ?? "" }),
      action.setTitle({ tabId, title: badge?.title ?? "Atlantic Proxy is off." }),
      badge && action.setBadgeBackgroundColor({ tabId, color: colours[badge.tone] }),
      badge && action.setBadgeTextColor({ tabId, color: "#ffffff" }),
    ]);
  }

  async setIcon(state: IconState): Promise<void> {
    if (state === this.#icon) return;
    this.#icon = state;
    const path = Object.fromEntries(sizes.map((size) => [size, `/icons/${state}-${size}.png`]));
    await browser.action.setIcon({ path });
  }
}
