import { decide, type Rules } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, DIRECT, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TabFacts, wantedPlan } from "./wanted-plan.ts";

const us: Route = { kind: "exit", exit: { country: "us" } };
const de: Route = { kind: "exit", exit: { country: "de" } };
const rules: Rules = { everything: DIRECT, sites: {} };
const tab = (tabId: number, route: Route | null, ...sites: string[]): TabFacts => ({
  tabId,
  rule: route && { route, because: "tab" },
  sites,
});

describe("wantedPlan", () => {
  it("attributes nothing while all pages have one route", () => {
    const plan = wantedPlan(rules, [tab(1, us, "a.test"), tab(2, us, "b.test"), tab(3, null)]);
    expect(plan.mode).toEqual({ kind: "steady", routeId: routeId(us) });
  });

  it("is steady on the route for everything while no page is open", () => {
    expect(wantedPlan({ ...rules, everything: de }, [tab(1, us)]).mode).toEqual({
      kind: "steady",
      routeId: routeId(de),
    });
  });

  it("attributes as soon as two routes are live, and per request when one site has both", () => {
    expect(wantedPlan(rules, [tab(1, us, "a.test"), tab(2, de, "b.test")]).mode).toEqual({
      kind: "attributed",
      perRequest: false,
    });
    expect(wantedPlan(rules, [tab(1, us, "a.test"), tab(2, de, "b.test", "a.test")]).mode).toEqual({
      kind: "attributed",
      perRequest: true,
    });
  });

  it("gives each request its own tunnel while a site with workers is open beside another route", () => {
    const open = [tab(1, us, "a.test"), tab(2, de, "b.test")];
    expect(wantedPlan(rules, open, new Set(["a.test"])).mode).toMatchObject({ perRequest: true });
    expect(wantedPlan(rules, open, new Set(["c.test"])).mode).toMatchObject({ perRequest: false });
  });

  it("does not count a blocked page, which sends nothing", () => {
    expect(wantedPlan(rules, [tab(1, us, "a.test"), tab(2, BLOCK, "a.test")])).toMatchObject({
      mode: { kind: "steady" },
      tabs: [{ tabId: 1 }],
    });
  });

  it("never lists one site under two routes without giving each request a tunnel of its own", () => {
    const route = fc.constantFrom(us, de, DIRECT, BLOCK);
    const site = fc.constantFrom("a.test", "b.test", "c.test");
    const tabs = fc.uniqueArray(
      fc.record({
        tabId: fc.nat({ max: 9 }),
        rule: fc.option(fc.record({ route, because: fc.constant("tab" as const) })),
        sites: fc.array(site, { maxLength: 2 }),
      }),
      { selector: ({ tabId }) => tabId },
    );
    const anyRules = fc.record({ everything: route, sites: fc.dictionary(site, route) });
    fc.assert(
      fc.property(anyRules, tabs, (some, open) => {
        const plan = wantedPlan(some, open);
        const conflict = plan.tabs.some((a) =>
          plan.tabs.some((b) => a.site === b.site && a.routeId !== b.routeId),
        );
        expect(conflict).toBe(plan.mode.kind === "attributed" && plan.mode.perRequest);
        for (const { tabId, site: name, routeId: id } of plan.tabs) {
          const facts = open.find((one) => one.tabId === tabId);
          expect(decide(some, facts?.rule ?? null, name).routeId).toBe(id);
        }
      }),
    );
  });
});
