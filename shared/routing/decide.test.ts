import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type Rules, why } from "./decide.ts";
import { BLOCK, DIRECT, type Route } from "./route.ts";

const us: Route = { kind: "exit", exit: { country: "us" } };
const de: Route = { kind: "exit", exit: { country: "de" } };
const rules: Rules = { everything: DIRECT, sites: { "a.test": us } };

const route = fc.constantFrom(us, de, DIRECT, BLOCK);
const site = fc.constantFrom("a.test", "b.test", "c.test", "__proto__");
const anyRules = fc.record({ everything: route, sites: fc.dictionary(site, route) });

describe("decide", () => {
  it("lets the tab's own rule go before the site's, and the site's before the one for everything", () => {
    expect(decide(rules, { route: de, because: "tab" }, "a.test")).toMatchObject({
      route: de,
      because: "tab",
    });
    expect(decide(rules, null, "a.test")).toMatchObject({ route: us, because: "site" });
    expect(decide(rules, null, "b.test")).toMatchObject({ route: DIRECT, because: "everything" });
    expect(decide(rules, null, null)).toMatchObject({ route: DIRECT, because: "everything" });
  });

  it("gives every tab without a rule of its own the same route on one site", () => {
    fc.assert(
      fc.property(anyRules, site, (some, name) => {
        expect(decide(some, null, name)).toEqual(decide(some, null, name));
        expect([some.everything, ...Object.values(some.sites)]).toContainEqual(
          decide(some, null, name).route,
        );
      }),
    );
  });

  it("never lets another site's rule decide", () => {
    fc.assert(
      fc.property(anyRules, site, site, route, (some, here, there, other) => {
        fc.pre(here !== there);
        const changed = { ...some, sites: { ...some.sites, [there]: other } };
        expect(decide(changed, null, here)).toEqual(decide(some, null, here));
      }),
    );
  });

  it("says why in one sentence", () => {
    expect(why({ route: us, because: "site" }, "New York, United States", "a.test")).toBe(
      "This tab goes through New York, United States because you chose so for a.test.",
    );
    expect(why({ route: DIRECT, because: "everything" }, "", null)).toBe(
      "This tab goes directly, through no exit, because that is your choice for everything.",
    );
    expect(why({ route: BLOCK, because: "opener" }, "", null)).toBe(
      "This tab is blocked because the tab that opened it does.".replace("does", "is"),
    );
  });
});
