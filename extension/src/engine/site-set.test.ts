import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALL_SITES, both, holds, NO_SITES, type SiteSet } from "./site-set.ts";

const site = fc.constantFrom("a.test", "b.test", "c.test", "d.test");
const set: fc.Arbitrary<SiteSet> = fc.record({
  kind: fc.constantFrom("only" as const, "except" as const),
  sites: fc.uniqueArray(site),
});

describe("site sets", () => {
  it("hold in their intersection exactly what both hold", () => {
    fc.assert(
      fc.property(set, set, site, (a, b, name) => {
        expect(holds(both(a, b), name)).toBe(holds(a, name) && holds(b, name));
      }),
    );
  });

  it("know all and nothing", () => {
    fc.assert(
      fc.property(site, (name) => {
        expect([holds(ALL_SITES, name), holds(NO_SITES, name)]).toEqual([true, false]);
      }),
    );
  });
});
