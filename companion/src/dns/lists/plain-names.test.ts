import { expect, test } from "vitest";
import { plainNames } from "./plain-names.ts";

const all = [
  "main_frame",
  "sub_frame",
  "script",
  "image",
  "font",
  "media",
  "object",
  "other",
  "ping",
  "websocket",
];

test("only rules that mean a whole name for every request are taken", () => {
  const rule = (condition: object, type = "block") => ({ id: 1, action: { type }, condition });
  const { blocked, allowed } = plainNames([
    rule({ urlFilter: "||ads.example^" }),
    rule({ urlFilter: "||everything.example^", resourceTypes: all }),
    rule({ urlFilter: "||scripts.example^", resourceTypes: ["script"] }),
    rule({ urlFilter: "||third.example^", domainType: "thirdParty" }),
    rule({ urlFilter: "||on-one-site.example^", initiatorDomains: ["news.example"] }),
    rule({ urlFilter: "||path.example/ad.js" }),
    rule({ urlFilter: "/banner/" }),
    rule({ urlFilter: "||fine.example^" }, "allow"),
  ]);
  expect([...blocked]).toEqual(["ads.example", "everything.example"]);
  expect([...allowed]).toEqual(["fine.example"]);
});

test("what is no ruleset is refused", () => {
  expect(() => plainNames({ rules: [] })).toThrow();
});
