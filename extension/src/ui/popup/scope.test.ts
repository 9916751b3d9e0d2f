import { describe, expect, it } from "vitest";
import type { TabModel } from "../../messages.ts";
import { initialScope, scopeOf, scopeToForget } from "./scope.ts";

const tab: TabModel = {
  tabId: 7,
  site: "shop.example",
  route: { kind: "exit", exit: { country: "de" } },
  because: "tab",
  isInForce: true,
  sentence: "",
};

describe("what a choice applies to", () => {
  it("begins with the rule that decides now", () => {
    expect(initialScope(tab)).toBe("tab");
    expect(initialScope({ ...tab, because: "opener" })).toBe("tab");
    expect(initialScope({ ...tab, because: "site" })).toBe("site");
    expect(initialScope({ ...tab, because: "everything" })).toBe("everything");
  });

  it("begins with the tab where nothing was chosen, so that a first choice changes nothing else", () => {
    const direct = { ...tab, route: { kind: "direct" } } as const;
    expect(initialScope({ ...direct, because: "everything" })).toBe("tab");
    expect(initialScope({ ...direct, because: "off" })).toBe("tab");
    expect(initialScope({ ...direct, site: null, because: "everything" })).toBe("tab");
    expect(initialScope(null)).toBe("everything");
  });

  it("never names a site or a tab that is not there", () => {
    expect(scopeOf("site", { ...tab, site: null })).toEqual({ kind: "everything" });
    expect(scopeOf("tab", null)).toEqual({ kind: "everything" });
    expect(scopeOf("site", tab)).toEqual({ kind: "site", site: "shop.example" });
  });

  it("takes back only rules that the person made", () => {
    expect(scopeToForget(tab)).toEqual({ kind: "tab", tabId: 7 });
    expect(scopeToForget({ ...tab, because: "everything" })).toBeNull();
    expect(scopeToForget({ ...tab, because: "opener" })).toBeNull();
  });
});
