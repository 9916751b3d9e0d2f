import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import type { BrowserPlan } from "@atlantic/shared/control/messages.ts";
import { DIRECT, type Route, routeId, routeIdSchema } from "@atlantic/shared/routing/route.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { agrees, hasTrueIds, isWrong, routeOf } from "./plan-rules.ts";

const routes: readonly Route[] = [DIRECT, { kind: "block" }, exit("us"), exit("de")];

function exit(country: string): Route {
  return { kind: "exit", exit: { country } };
}

const ids = fc.constantFrom(...routes.map(routeId));
const sites = fc.constantFrom("a.test", "b.test", "c.test");
// A tab has one line in a plan.
const tabs = fc.uniqueArray(fc.record({ tabId: fc.integer({ min: 1, max: 4 }), site: sites, routeId: ids }), {
  maxLength: 4,
  selector: ({ tabId }) => tabId,
});
const modes = fc.oneof(
  fc.record({ kind: fc.constant("steady" as const), routeId: ids }),
  fc.record({
    kind: fc.constant("attributed" as const),
    perRequest: fc.boolean(),
    imagesMayBeChallenged: fc.boolean(),
  }),
);
const known = Object.fromEntries(routes.map((route) => [routeId(route), route]));
const plans: fc.Arbitrary<BrowserPlan> = fc.record({
  revision: fc.constant(1),
  mode: modes,
  routes: fc.subarray(Object.entries(known)).map((entries) => Object.fromEntries(entries)),
  tabs,
});
const attributions: fc.Arbitrary<Attribution> = fc.oneof(
  fc.record({
    kind: fc.constant("tab" as const),
    tabId: fc.integer({ min: 1, max: 4 }),
    site: sites,
    routeId: ids,
  }),
  fc.record({
    kind: fc.constant("tab" as const),
    tabId: fc.integer({ min: 1, max: 4 }),
    site: sites,
    routeId: ids,
    own: fc.constant(true as const),
  }),
  fc.record({ kind: fc.constant("worker" as const), site: sites, routeId: ids }),
  fc.record({ kind: fc.constant("steady" as const), routeId: ids }),
);

describe("whatever the plan and the attribution", () => {
  test("what is accepted is right at that moment", () => {
    fc.assert(
      fc.property(plans, attributions, (plan, attribution) => {
        if (agrees(plan, attribution)) expect(isWrong(plan, attribution, true)).toBe(false);
      }),
    );
  });

  test("nothing is accepted or kept on a route that the plan does not know", () => {
    fc.assert(
      fc.property(plans, attributions, fc.boolean(), (plan, attribution, isAwaited) => {
        if (routeOf(plan, attribution.routeId)) return;
        expect(agrees(plan, attribution)).toBe(false);
        expect(isWrong(plan, attribution, isAwaited)).toBe(true);
      }),
    );
  });

  test("a tab's tunnel is accepted only on the route that the plan gives this tab", () => {
    fc.assert(
      fc.property(plans, attributions, (plan, attribution) => {
        if (attribution.kind !== "tab" || !agrees(plan, attribution)) return;
        const own = plan.tabs.filter((tab) => tab.tabId === attribution.tabId).map((tab) => tab.routeId);
        expect(own).toContain(attribution.routeId);
      }),
    );
  });

  test("no pooled tunnel is kept at a site that a tab shows under another route, unless each request has its own", () => {
    fc.assert(
      fc.property(plans, attributions, fc.boolean(), (plan, attribution, isAwaited) => {
        if (plan.mode.kind === "steady" || plan.mode.perRequest) return;
        if (attribution.kind === "steady" || (attribution.kind === "tab" && attribution.own)) return;
        const isShared = plan.tabs.some(
          (tab) => tab.site === attribution.site && tab.routeId !== attribution.routeId,
        );
        if (isShared) expect(isWrong(plan, attribution, isAwaited)).toBe(true);
      }),
    );
  });

  test("under a steady plan nothing is kept on another route, and unattributed tunnels live under no other plan", () => {
    fc.assert(
      fc.property(plans, attributions, (plan, attribution) => {
        if (plan.mode.kind === "steady" && plan.mode.routeId !== attribution.routeId) {
          expect(isWrong(plan, attribution, true)).toBe(true);
        }
        if (plan.mode.kind === "attributed" && attribution.kind === "steady") {
          expect(isWrong(plan, attribution, true)).toBe(true);
        }
      }),
    );
  });
});

test("an inherited name of the table is no route", () => {
  const plan = {
    revision: 1,
    mode: { kind: "steady" as const, routeId: routeId(DIRECT) },
    routes: {},
    tabs: [],
  };
  expect(routeOf(plan, routeIdSchema.parse("constructor"))).toBeUndefined();
});

test("an id must be the route's own", () => {
  const mode = { kind: "steady" as const, routeId: routeId(DIRECT) };
  expect(hasTrueIds({ revision: 1, mode, routes: known, tabs: [] })).toBe(true);
  expect(hasTrueIds({ revision: 1, mode, routes: { [routeId(DIRECT)]: exit("us") }, tabs: [] })).toBe(false);
});
