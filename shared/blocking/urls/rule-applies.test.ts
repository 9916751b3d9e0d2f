import { expect, it } from "vitest";
import type { DnrCondition, ResourceType } from "../rulesets/dnr-rule.ts";
import { ruleApplies, type UrlRequest } from "./rule-applies.ts";
import { urlText } from "./url-pattern.ts";

function request(more: Partial<UrlRequest> = {}): UrlRequest {
  const url = urlText("http://cdn.shop.test/ad.js");
  return {
    url,
    host: "cdn.shop.test",
    method: "GET",
    types: ["script"],
    initiator: "www.news.test",
    isThirdParty: true,
    ...more,
  };
}

const unsure: readonly ResourceType[] = ["script", "image"];

it.each<[string, DnrCondition, Partial<UrlRequest>, "yes" | "no" | "perhaps"]>([
  ["its pattern", { urlFilter: "/ad.js" }, {}, "yes"],
  ["another pattern", { urlFilter: "/other" }, {}, "no"],
  ["a regular expression", { regexFilter: "\\/[a-z]{2}\\.js$" }, {}, "yes"],
  ["another regular expression", { regexFilter: "\\/[a-z]{3}\\.js$" }, {}, "no"],
  ["a regular expression that is not understood", { regexFilter: "(?=.)" }, {}, "no"],
  ["its name", { requestDomains: ["shop.test"] }, {}, "yes"],
  ["a name that only ends alike", { requestDomains: ["op.test"] }, {}, "no"],
  ["an excepted name", { excludedRequestDomains: ["shop.test"] }, {}, "no"],
  ["another method", { requestMethods: ["post"] }, {}, "no"],
  ["its kind", { resourceTypes: ["script"] }, {}, "yes"],
  ["another kind", { resourceTypes: ["image"] }, {}, "no"],
  ["one of the kinds that it may be", { resourceTypes: ["image"] }, { types: unsure }, "perhaps"],
  ["all kinds that it may be", { resourceTypes: ["image", "script"] }, { types: unsure }, "yes"],
  ["parts of pages, when it is a page", { urlFilter: "/ad.js" }, { types: ["main_frame"] }, "no"],
  ["parts of pages, when it may be a page", {}, { types: ["main_frame", "sub_frame"] }, "perhaps"],
  ["its page's site", { initiatorDomains: ["news.test"] }, {}, "yes"],
  ["another page's site", { initiatorDomains: ["blog.test"] }, {}, "no"],
  [
    "some page's site, when nobody knows the page",
    { initiatorDomains: ["a.test"] },
    { initiator: null },
    "perhaps",
  ],
  ["all pages but its own", { excludedInitiatorDomains: ["news.test"] }, {}, "no"],
  ["some page's site, on a page without a host", { initiatorDomains: ["a.test"] }, { initiator: "" }, "no"],
  [
    "all pages but one, on a page without a host",
    { excludedInitiatorDomains: ["a.test"] },
    { initiator: "" },
    "yes",
  ],
  ["third parties", { domainType: "thirdParty" }, {}, "yes"],
  ["third parties, on its own site", { domainType: "thirdParty" }, { isThirdParty: false }, "no"],
  [
    "third parties, when nobody knows the page",
    { domainType: "thirdParty" },
    { isThirdParty: null },
    "perhaps",
  ],
])("a rule about %s", (_, condition, more, expected) => {
  expect(ruleApplies(condition, request(more))).toBe(expected);
});
