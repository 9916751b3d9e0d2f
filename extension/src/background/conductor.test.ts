import { NO_RULES } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, routeId } from "@atlantic/shared/routing/route.ts";
import { describe, expect, it } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { Conductor } from "./conductor.ts";
import { TabBook } from "./tab-book.ts";

const tab = { tabId: 7, site: "shop.example" };

/** A browser that is asked for rules and follows them only when it is let. */
class SlowBrowser implements Engine {
  readonly asked = Promise.withResolvers<void>();
  readonly follows = Promise.withResolvers<void>();
  readonly leadTo = async () => {};
  readonly setFilter = async () => null;
  readonly setPrivacy = async () => {};
  readonly conflict = async () => null;

  setGuard(): Promise<void> {
    this.asked.resolve();
    return this.follows.promise;
  }
}

describe("what a choice is said to do", () => {
  it("is not said to be in force before the browser follows it", async () => {
    const book = new TabBook();
    book.add(tab.tabId, `https://${tab.site}/`, undefined);
    book.setRule(tab.tabId, { route: BLOCK, because: "tab" });
    const browser = new SlowBrowser();
    const noCompanion = { welcome: null, ask: () => Promise.reject(new Error("nobody is there")) };
    const conductor = new Conductor(browser, noCompanion, book, {
      score: () => ({ enabled: true, rules: NO_RULES, proxyPort: 9150, imagesMayBeChallenged: false }),
      tunnelsClosed: () => {},
    });
    const settled = conductor.settle();
    await browser.asked.promise;
    expect(conductor.isInForce(tab, routeId(BLOCK))).toBe(false);
    browser.follows.resolve();
    await settled;
    expect(conductor.isInForce(tab, routeId(BLOCK))).toBe(true);
  });
});
