import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { fitsRule } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { requestFacts } from "../../local-proxy/request-facts.ts";
import { writeRuleFile } from "./rule-file.ts";
import { ruleText } from "./rule-text.ts";
import { UrlFilter } from "./url-filter.ts";
import { urlRules } from "./url-rules.ts";

let directory: string;
let filter: UrlFilter;
let inUse: BuiltInList[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atl-urls-"));
  inUse = ["ads", "security"];
  filter = new UrlFilter(() => inUse, pathOf);
});
afterEach(() => {
  filter.close();
  rmSync(directory, { recursive: true, force: true });
});

function pathOf(list: BuiltInList): string {
  return join(directory, list);
}

function write(list: BuiltInList, rules: readonly object[]): void {
  writeRuleFile(
    pathOf(list),
    readRules(rules).flatMap((rule) => urlRules(rule, list)),
  );
}

function block(condition: object, priority = 1, type = "block"): object {
  return { action: { type }, priority, condition };
}

function blocking(url: string, headers: Record<string, string> = {}): string | undefined {
  const found = filter.blocking(requestFacts(new URL(url), "GET", { accept: "*/*", ...headers }, []));
  return found && `${found.list} ${ruleText(found.rule)}`;
}

it("a request is blocked by the list that is in use, with its rule as lists write it", () => {
  write("ads", [
    block({ urlFilter: "||cdn.test/ads/", domainType: "thirdParty", resourceTypes: ["script"] }, 5),
  ]);
  const onNews = { referer: "http://news.test/" };
  expect(blocking("http://cdn.test/ads/x.js", onNews)).toBe("ads ||cdn.test/ads/$third-party,script");
  expect(blocking("http://cdn.test/ads/x.js", { referer: "http://www.cdn.test/" })).toBeUndefined();
  expect(blocking("http://cdn.test/ads/x.js")).toBeUndefined();
  expect(blocking("http://cdn.test/news/x.js", onNews)).toBeUndefined();
  inUse = ["security"];
  expect(blocking("http://cdn.test/ads/x.js", onNews)).toBeUndefined();
});

it("a regular expression blocks the addresses that fit it, and why tells of it", () => {
  const regexFilter = "\\/ad[sx]?\\/[0-9]{3}\\.js$";
  write("ads", [block({ regexFilter }), block({ regexFilter: "(?=\\/news)" })]);
  expect(blocking("http://a.test/ads/123.js")).toBe(`ads /${regexFilter}/`);
  expect(blocking("http://a.test/ads/1234.js")).toBeUndefined();
  expect(blocking("http://a.test/news/123.js")).toBeUndefined();
  expect(filter.fitting("http://a.test/ADX/123.js").map(({ rule }) => ruleText(rule))).toEqual([
    `/${regexFilter}/`,
  ]);
});

it("the stronger rule counts, of two as strong the exception, and in doubt the exception too", () => {
  write("ads", [
    block({ urlFilter: "/ad/" }),
    block({ urlFilter: "/ad/ours" }, 1, "allow"),
    block({ urlFilter: "/ad/fine", initiatorDomains: ["news.test"] }, 9, "allow"),
    block({ urlFilter: "/ad/fine/not" }, 10),
    block({ requestDomains: ["excepted.test"], resourceTypes: ["main_frame"] }, 5, "allowAllRequests"),
  ]);
  expect(blocking("http://a.test/ad/x")).toBeDefined();
  expect(blocking("http://a.test/ad/ours")).toBeUndefined();
  expect(blocking("http://a.test/ad/fine")).toBeUndefined();
  expect(blocking("http://a.test/ad/fine", { referer: "http://blog.test/" })).toBeDefined();
  expect(blocking("http://a.test/ad/fine/not")).toBeDefined();
  expect(blocking("http://a.test/ad/x", { referer: "http://www.excepted.test/page" })).toBeUndefined();
});

it("advertising rules block no page; a harmful page is blocked by its address", () => {
  const everything = ["main_frame", "sub_frame", "script", "image"];
  write("ads", [block({ urlFilter: "||a.test/page", resourceTypes: everything })]);
  write("security", [block({ urlFilter: "||forms.test/d/1^", resourceTypes: everything })]);
  const page = { accept: "text/html,*/*" };
  expect(blocking("http://a.test/page", page)).toBeUndefined();
  expect(blocking("http://forms.test/d/1", page)).toBe("security ||forms.test/d/1^");
  expect(blocking("http://forms.test/d/2", page)).toBeUndefined();
  expect(blocking("http://forms.test/d/1?x")).toBe("security ||forms.test/d/1^");
});

it("why tells the rules that an address fits on any page, the strongest first", () => {
  write("ads", [
    block({ urlFilter: "/ad/" }, 2),
    block({ urlFilter: "/ad/x" }, 7, "allow"),
    block({ urlFilter: "/ad/", initiatorDomains: ["a.test"] }, 9),
  ]);
  expect(filter.fitting("http://a.test/ad/x").map(({ rule }) => ruleText(rule))).toEqual(["@@/ad/x", "/ad/"]);
});

it("a file that is not there or is none blocks nothing", () => {
  writeFileSync(pathOf("security"), "||a.test^\n");
  expect(blocking("http://a.test/")).toBeUndefined();
});

it("finds in its file what looking at every rule finds", () => {
  const word = fc.constantFrom("ad", "ads", "b", "x1", "-", ".", "/", "*", "^");
  const pattern = fc
    .tuple(fc.constantFrom("", "|http://", "||"), fc.array(word, { minLength: 1, maxLength: 5 }))
    .map(([start, words]) => start + words.join(""));
  const url = fc
    .array(fc.constantFrom("ad", "ads", "b", "x1", "-", ".", "/"), { maxLength: 8 })
    .map((words) => `http://ad.b.x1/${words.join("")}`);
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 1, maxLength: 20 }),
      fc.array(url, { minLength: 1 }),
      (patterns, urls) => {
        const rules: DnrRule[] = readRules(patterns.map((urlFilter) => block({ urlFilter })));
        writeRuleFile(pathOf("ads"), rules);
        const fresh = new UrlFilter(() => ["ads"], pathOf);
        for (const address of urls) {
          const facts = requestFacts(new URL(address), "GET", {}, []);
          const found = fresh.blocking(facts) !== undefined;
          const expected = rules.some(({ condition }) => fitsRule(condition, facts.url));
          expect(found, `${patterns.join(" ")} ${address}`).toBe(expected);
        }
        fresh.close();
      },
    ),
    { numRuns: 200 },
  );
});
