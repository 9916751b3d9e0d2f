import { decide } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, DIRECT, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holds } from "../engine/site-set.ts";
import { freeNavigation } from "./free-navigation.ts";

const us: Route = { kind: "exit", exit: { country: "us" } };
const de: Route = { kind: "exit", exit: { country: "de" } };
const route = fc.constantFrom(us, de, DIRECT, BLOCK);
const site = fc.constantFrom("a.test", "b.test", "c.test", "d.test");
const rules = fc.record({ everything: route, sites: fc.dictionary(site, route) });
const tabRule = fc.option(fc.record({ route, because: fc.constant("tab" as const) }));
const owners = fc
  .dictionary(site, route)
  .map((some) => new Map(Object.entries(some).map(([name, owner]) => [name, routeId(owner)])));

describe("freeNavigation", () => {
  it("in steady mode lets a tab go only where its route is the one that all tunnels have", () => {
    fc.assert(
      fc.property(rules, tabRule, route, site, (some, rule, steady, name) => {
        const mode = { kind: "steady" as const, routeId: routeId(steady) };
        const { free, freeToPost } = freeNavigation(some, rule, mode, new Map());
        expect(holds(free, name)).toBe(decide(some, rule, name).routeId === routeId(steady));
        expect(holds(freeToPost, name)).toBe(holds(free, name));
      }),
    );
  });

  it("with shared tunnels never lets a tab go to a site that another route owns, by link or by form", () => {
    fc.assert(
      fc.property(rules, tabRule, owners, site, (some, rule, owned, name) => {
        const mode = { kind: "attributed" as const, perRequest: false };
        const { free, freeToPost } = freeNavigation(some, rule, mode, owned);
        const mine = decide(some, rule, name).routeId;
        const owner = owned.get(name);
        expect(holds(free, name)).toBe(owner === mine && mine !== "block");
        expect(holds(freeToPost, name)).toBe((owner === undefined || owner === mine) && mine !== "block");
      }),
    );
  });

  it("with a tunnel for each request stops only what is blocked", () => {
    fc.assert(
      fc.property(rules, tabRule, owners, site, (some, rule, owned, name) => {
        const { free } = freeNavigation(some, rule, { kind: "attributed", perRequest: true }, owned);
        expect(holds(free, name)).toBe(decide(some, rule, name).route.kind !== "block");
      }),
    );
  });
});
