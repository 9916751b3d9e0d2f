import { describe, expect, it } from "vitest";
import { readRules } from "./dnr-rule.ts";
import { mergeNames } from "./merge-names.ts";
import { takenRules } from "./taken-rules.ts";

const everything = ["main_frame", "sub_frame", "script", "image"];

function taken(list: "ads" | "security", condition: object, type = "block") {
  return readRules([{ id: 1, priority: 55, action: { type }, condition }]).flatMap((rule) =>
    takenRules(rule, list),
  );
}

describe("rules of a ruleset", () => {
  it("that lead elsewhere, change headers or say what is not known here are left out", () => {
    const redirect = {
      id: 1,
      action: { type: "redirect", redirect: { url: "x" } },
      condition: { urlFilter: "a" },
    };
    expect(readRules([redirect])).toEqual([]);
    expect(taken("ads", { urlFilter: "a", somethingNew: true })).toEqual([]);
    expect(() => readRules({ rules: [] })).toThrow();
  });

  it("about advertising keep nobody from a page, and let nobody past anything on the way to one", () => {
    for (const type of ["block", "allow"]) {
      expect(taken("ads", { urlFilter: "||a.test^", resourceTypes: ["main_frame"] }, type)).toEqual([]);
      const [rule] = taken("ads", { urlFilter: "||a.test^", resourceTypes: everything }, type);
      expect(rule?.condition.resourceTypes).toEqual(["image", "script", "sub_frame"]);
    }
    const [others] = taken("ads", { urlFilter: "/ad/", excludedResourceTypes: ["script"] });
    expect(others?.condition.excludedResourceTypes).toBeUndefined();
    expect(others?.condition.resourceTypes).toContain("image");
    expect(others?.condition.resourceTypes).not.toContain("main_frame");
    expect(others?.condition.resourceTypes).not.toContain("script");
  });

  it("about security block the harmful pages that they name by their host", () => {
    const pagesOf = (urlFilter: string, more = {}) =>
      taken("security", { urlFilter, resourceTypes: everything, ...more }).filter(
        (rule) => rule.isHarmfulPage,
      );
    expect(pagesOf("||evil.test^")).toHaveLength(1);
    expect(pagesOf("||docs.test/forms/1^")[0]?.condition).toEqual({
      urlFilter: "||docs.test/forms/1^",
      resourceTypes: ["main_frame"],
    });
    for (const vague of ["||evil.", "://evil.", "||ev*l.test^", "evil"]) expect(pagesOf(vague)).toEqual([]);
    expect(pagesOf("||evil.test^", { excludedInitiatorDomains: ["x.test"] })).toEqual([]);
    expect(taken("security", { urlFilter: "||a.test^", resourceTypes: everything }, "allow")).toHaveLength(1);
  });

  it("lose domains that no browser knows, and themselves when none is left", () => {
    expect(taken("ads", { urlFilter: "/ad/", initiatorDomains: ["example.*"] })).toEqual([]);
    const [rule] = taken("ads", { urlFilter: "/ad/", excludedInitiatorDomains: ["example.*", "a.test"] });
    expect(rule?.condition.excludedInitiatorDomains).toEqual(["a.test"]);
  });
});

describe("names", () => {
  const rule = (urlFilter: string, more: object = {}, priority = 1) =>
    readRules([{ action: { type: "block" }, priority, condition: { urlFilter, ...more } }]);

  it("of which rules say the same share one rule, without those below another", () => {
    const merged = mergeNames([
      ...rule("||b.test^"),
      ...rule("||a.test^"),
      ...rule("||x.a.test^"),
      ...rule("||c.test^", { domainType: "thirdParty" }),
      ...rule("||d.test^", {}, 2),
      ...rule("||e.test/ad"),
    ]);
    const domains = merged.map(({ condition }) => condition.requestDomains);
    expect(domains).toEqual([["a.test", "b.test"], ["c.test"], ["d.test"], undefined]);
    for (const { condition } of merged.slice(0, 3)) expect(condition.urlFilter).toBeUndefined();
  });

  it("of mail's counting pictures are names although they are written as patterns", () => {
    const image = { resourceTypes: ["image"] };
    const merged = mergeNames([...rule("email.shop.com", image), ...rule("pixel.big.gif", image)]);
    expect(merged.map(({ condition }) => condition.requestDomains)).toEqual([["email.shop.com"], undefined]);
  });
});
