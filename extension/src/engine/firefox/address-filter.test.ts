import type { BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";
import { type DnrRule, readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { indexRules } from "@atlantic/shared/blocking/urls/rule-index.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { filterRules } from "../filter-rules.ts";
import { AddressFilter } from "./address-filter.ts";
import type { SeenRequest } from "./request-facts.ts";

type Lists = Partial<Record<BuiltInList, readonly DnrRule[]>>;

const EVERYTHING: BrowserFilter = {
  isOn: true,
  lists: ["ads", "tracking", "security"],
  unfiltered: [],
  allowed: [],
  blocked: [],
};

const reading = (lists: Lists) => async (list: BuiltInList) => indexRules(lists[list] ?? []).slice().buffer;

async function filtering(lists: Lists, words: Partial<BrowserFilter> = {}): Promise<AddressFilter> {
  const filter = new AddressFilter(reading(lists));
  await filter.set({ ...EVERYTHING, ...words });
  return filter;
}

function rule(condition: object, priority = 1, type = "block"): DnrRule {
  const [read] = readRules([{ action: { type }, priority, condition }]);
  if (!read) throw new Error(`no rule: ${JSON.stringify(condition)}`);
  return read;
}

function seen(url: string, more: Partial<SeenRequest> = {}): SeenRequest {
  const page = "https://www.news.test/today";
  return {
    url,
    method: "GET",
    type: "script",
    documentUrl: page,
    originUrl: page,
    frameAncestors: [],
    ...more,
  };
}

describe("an address", () => {
  const ad = seen("https://cdn.test/ads/1.js");

  it("is blocked by the lists that are in use, as long as filtering is on", async () => {
    const filter = await filtering({ ads: [rule({ urlFilter: "/ads/", domainType: "thirdParty" })] });
    expect(filter.blocks(ad)).toBe(true);
    expect(filter.blocks(seen("https://cdn.test/news/1.js"))).toBe(false);
    expect(filter.blocks(seen("https://news.test/ads/1.js"))).toBe(false);
    await filter.set({ ...EVERYTHING, lists: ["tracking"] });
    expect(filter.blocks(ad)).toBe(false);
    await filter.set(EVERYTHING);
    expect(filter.blocks(ad)).toBe(true);
    await filter.set({ ...EVERYTHING, isOn: false });
    expect(filter.blocks(ad)).toBe(false);
  });

  it("is loaded for pages of a site without blocking, for names that are allowed, and for an exception", async () => {
    const lists = { ads: [rule({ urlFilter: "/ads/" }), rule({ urlFilter: "/ads/fine" }, 1, "allow")] };
    const blocks = async (words: Partial<BrowserFilter>, request = ad) =>
      (await filtering(lists, words)).blocks(request);
    expect(await blocks({})).toBe(true);
    expect(await blocks({}, seen("https://cdn.test/ads/fine.js"))).toBe(false);
    expect(await blocks({ unfiltered: ["news.test"] })).toBe(false);
    expect(await blocks({ unfiltered: ["blog.test"] })).toBe(true);
    expect(await blocks({ allowed: ["cdn.test"] })).toBe(false);
    const inFrame = { documentUrl: "https://frame.test/", frameAncestors: [{ url: "https://news.test/" }] };
    expect(await blocks({ unfiltered: ["news.test"] }, { ...ad, ...inFrame })).toBe(false);
    expect(await blocks({ unfiltered: ["frame.test"] }, { ...ad, ...inFrame })).toBe(false);
    expect(await blocks({ unfiltered: ["blog.test"] }, { ...ad, ...inFrame })).toBe(true);
  });

  it("is a third party on a page that has no origin, such as a frame in a sandbox, and that is on no site", async () => {
    const filter = await filtering({
      ads: [
        rule({ urlFilter: "/ads/", domainType: "thirdParty" }),
        rule({ urlFilter: "/ads/of-news", initiatorDomains: ["news.test"] }, 2, "allow"),
        rule({ urlFilter: "/banner/", excludedInitiatorDomains: ["blog.test"] }),
      ],
    });
    const inSandbox = (url: string) =>
      filter.blocks({ url, method: "GET", type: "script", frameAncestors: [{ url: "https://news.test/" }] });
    expect(inSandbox("https://cdn.test/ads/1.js")).toBe(true);
    expect(inSandbox("https://cdn.test/ads/of-news.js")).toBe(true);
    expect(inSandbox("https://cdn.test/banner/1.js")).toBe(true);
    await filter.set({ ...EVERYTHING, unfiltered: ["news.test"] });
    expect(inSandbox("https://cdn.test/ads/1.js")).toBe(false);
  });

  it("is a third party to its neighbour below a name that anybody may register at", async () => {
    const filter = await filtering({ ads: [rule({ urlFilter: "/ads/", domainType: "thirdParty" })] });
    const blocks = (url: string) => filter.blocks(seen(url, { documentUrl: "https://alice.github.io/" }));
    expect(blocks("https://bob.github.io/ads/1.js")).toBe(true);
    expect(blocks("https://www.alice.github.io/ads/1.js")).toBe(false);
  });

  it("is of a name, and its page of a site, with a full stop after them as well", async () => {
    const filter = await filtering({
      ads: [
        rule({ urlFilter: "/ads/", requestDomains: ["cdn.test"] }),
        rule({ urlFilter: "/fine", initiatorDomains: ["news.test"] }, 1, "allow"),
      ],
    });
    expect(filter.blocks(seen("https://cdn.test./ads/1.js"))).toBe(true);
    const onNews = { documentUrl: "https://www.news.test./" };
    expect(filter.blocks(seen("https://cdn.test/ads/fine.js", onNews))).toBe(false);
  });

  it("is blocked by a regular expression, whatever the length of the address", async () => {
    const filter = await filtering({
      ads: [rule({ regexFilter: "^https:\\/\\/[a-z]{3}\\.test\\/(?:[0-9a-z]+\\/)*[0-9]{2}\\.js$" })],
    });
    expect(filter.blocks(seen("https://cdn.test/a/1/42.js"))).toBe(true);
    expect(filter.blocks(seen("https://cdn.test/a/1/4.js"))).toBe(false);
    expect(filter.blocks(seen(`https://cdn.test/${"a/".repeat(1_000)}x.js`))).toBe(false);
  });

  it("of a harmful page is not opened, whatever the person let through", async () => {
    const harmful = rule(
      { urlFilter: "||docs.test/forms/1^", resourceTypes: ["main_frame"] },
      RULE_WEIGHT.harmfulPage,
    );
    const filter = await filtering(
      { security: [harmful] },
      { unfiltered: ["docs.test"], allowed: ["docs.test"] },
    );
    const page: SeenRequest = { url: "https://docs.test/forms/1?x", method: "GET", type: "main_frame" };
    expect(filter.blocks(page)).toBe(true);
    expect(filter.blocks({ ...page, url: "https://docs.test/forms/2" })).toBe(false);
  });

  it("that only Firefox has a kind for is of the kind that rules know", async () => {
    const filter = await filtering({ ads: [rule({ urlFilter: "/ads/", resourceTypes: ["image", "ping"] })] });
    const blocks = (type: string) => filter.blocks({ ...ad, type });
    expect(["imageset", "beacon", "script", "speculative"].map(blocks)).toEqual([true, true, false, false]);
  });
});

describe("while the first rules are on their way", () => {
  it("requests wait, also for a background that is just starting", async () => {
    const started = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    const rules = reading({ ads: [rule({ urlFilter: "/ads/" })] });
    const filter = new AddressFilter((list) => read.promise.then(() => rules(list)));
    filter.beginWith(started.promise);
    const verdict = filter.beginning?.then(() => filter.blocks(seen("https://cdn.test/ads/1.js")));
    const set = filter.set(EVERYTHING);
    started.resolve();
    read.resolve();
    await set;
    expect(await verdict).toBe(true);
    expect(filter.beginning).toBeNull();
  });

  it("or those of another list, the person's words hold at once", async () => {
    const rules = reading({ ads: [rule({ urlFilter: "/ads/" })] });
    const filter = new AddressFilter((list) => (list === "ads" ? rules(list) : new Promise(() => {})));
    await filter.set({ ...EVERYTHING, lists: ["ads"] });
    void filter.set({ ...EVERYTHING, lists: ["ads", "tracking"], unfiltered: ["news.test"] });
    await expect.poll(() => filter.blocks(seen("https://cdn.test/ads/1.js"))).toBe(false);
    const onBlog = { documentUrl: "https://blog.test/" };
    expect(filter.blocks(seen("https://cdn.test/ads/1.js", onBlog))).toBe(true);
  });

  it("requests go on when they do not come, or cannot be read", async () => {
    vi.useFakeTimers();
    const silent = new AddressFilter(() => new Promise(() => {}));
    silent.beginWith(Promise.resolve());
    void silent.set(EVERYTHING);
    await vi.runAllTimersAsync();
    vi.useRealTimers();
    expect(silent.beginning).toBeNull();
    expect(silent.blocks(seen("https://cdn.test/ads/1.js"))).toBe(false);

    const damaged = new AddressFilter(async () => new ArrayBuffer(64));
    damaged.beginWith(Promise.resolve());
    await expect(damaged.set(EVERYTHING)).rejects.toThrow("are damaged");
    await expect.poll(() => damaged.beginning).toBeNull();
    expect(damaged.blocks(seen("https://cdn.test/ads/1.js"))).toBe(false);
  });
});

const host = fc.constantFrom("a.test", "x.a.test", "b.test", "c.test", "x.c.test");
const rarely = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const hosts = rarely(fc.uniqueArray(host, { minLength: 1, maxLength: 2 }));
const type = fc.constantFrom("main_frame", "sub_frame", "script", "image", "image");
const types = rarely(fc.uniqueArray(type, { minLength: 1, maxLength: 3 }));
const urlOf = fc
  .tuple(
    fc.constantFrom("https", "http"),
    host,
    fc.array(fc.constantFrom("ad", "b", "1", "/", "-"), { maxLength: 4 }),
  )
  .map(([scheme, name, path]) => `${scheme}://${name}/${path.join("")}`);

const anyRule = fc
  .record({
    type: fc.constantFrom("block", "block", "block", "allow", "allowAllRequests"),
    priority: fc.integer({ min: 1, max: 3 }),
    regexFilter: rarely(
      fc.constantFrom("ad.*1", "^https:\\/\\/[a-c]\\.test\\/[ad-]+$", "\\/(ad|b)\\/", "(A|x)[-/]"),
    ),
    urlFilter: fc.constantFrom(
      undefined,
      "/ad",
      "ad^",
      "||a.test^",
      "||x.a.test/b",
      "|https://",
      "/*1|",
      "-",
      "AD-",
    ),
    requestDomains: hosts,
    excludedRequestDomains: hosts,
    initiatorDomains: hosts,
    excludedInitiatorDomains: hosts,
    domainType: rarely(fc.constantFrom("firstParty", "thirdParty")),
    resourceTypes: types,
    /** Of those that let through all of a page or a frame. */
    frames: fc.constantFrom(["main_frame", "sub_frame"], ["main_frame"], ["sub_frame"]),
  })
  .map(({ type, priority, frames, ...condition }) => {
    const { urlFilter, regexFilter, ...others } = condition;
    // There may be one or the other.
    const pattern = regexFilter === undefined ? { urlFilter } : { regexFilter };
    const all = Object.entries({ ...others, ...pattern });
    const said = Object.fromEntries(all.filter(([, value]) => value !== undefined));
    const whole = type === "allowAllRequests" ? { resourceTypes: frames } : {};
    return rule({ ...said, ...whole }, priority, type);
  });

const anyRequest = fc
  .record({
    url: urlOf,
    page: urlOf,
    around: fc.array(urlOf, { maxLength: 2 }),
    type,
    isOfNobody: fc.integer({ max: 4, min: 0 }).map((one) => one === 0),
  })
  .map(({ url, page, around, type, isOfNobody }): SeenRequest => {
    const ancestors = around.map((one) => ({ url: one }));
    if (isOfNobody)
      return { url, method: "GET", type, frameAncestors: type === "main_frame" ? [] : ancestors };
    if (type === "main_frame") return { url, method: "GET", type, originUrl: page };
    const frameAncestors = type === "sub_frame" ? [{ url: page }, ...ancestors] : ancestors;
    return { url, method: "GET", type, documentUrl: page, originUrl: page, frameAncestors };
  });

const anyWords = fc.record({
  unfiltered: rarely(fc.uniqueArray(host, { maxLength: 1 })).map((names) => names ?? []),
  allowed: rarely(fc.uniqueArray(host, { maxLength: 1 })).map((names) => names ?? []),
});

it("blocks what Chrome's documentation of declarativeNetRequest says is blocked", async () => {
  let blocked = 0;
  let loaded = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRule, { maxLength: 8 }),
      fc.array(anyRule, { maxLength: 3 }),
      anyWords,
      fc.array(anyRequest, { minLength: 1, maxLength: 8 }),
      async (ads, tracking, words, requests) => {
        const filter = await filtering({ ads, tracking }, words);
        const rules = [...ads, ...tracking, ...readRules(filterRules({ ...EVERYTHING, ...words }))];
        for (const request of requests) {
          const expected = isBlocked(request, rules);
          if (expected) blocked += 1;
          else loaded += 1;
          expect(filter.blocks(request), JSON.stringify({ request, rules })).toBe(expected);
        }
      },
    ),
    { numRuns: 600 },
  );
  expect(Math.min(blocked, loaded)).toBeGreaterThan(500);
});

/** The strongest rule decides, and of those as strong the exception; every frame around may be excepted as a whole. */
function isBlocked(request: SeenRequest, rules: readonly DnrRule[]): boolean {
  const { url, type, documentUrl, originUrl, frameAncestors = [] } = request;
  const around = frameAncestors.map((frame) => frame.url);
  const own = documentUrl === undefined || type === "sub_frame" ? [] : [documentUrl];
  const documents = type === "main_frame" ? [] : [...own, ...around];
  const strengths = (of: readonly DnrRule[], wanted: "block" | "exception") =>
    Math.max(
      0,
      ...of
        .filter(({ action }) => (action.type === "block") === (wanted === "block"))
        .map((one) => one.priority),
    );
  const fitting = rules.filter((one) => isAbout(one, url, type, documentUrl ?? originUrl));
  const whole = documents.map((document, index) => {
    const isTop = index === documents.length - 1;
    const excepting = rules.filter(({ action }) => action.type === "allowAllRequests");
    const about = excepting.filter((one) =>
      isTop ? isAboutTop(one, document) : isAbout(one, document, "sub_frame", documents[index + 1]),
    );
    return strengths(about, "exception");
  });
  const block = strengths(fitting, "block");
  return block > 0 && block > Math.max(0, strengths(fitting, "exception"), ...whole);
}

/** What led to a page is not known any more when its parts are asked for: an exception is as good as if it fitted. */
function isAboutTop({ condition, ...others }: DnrRule, url: string): boolean {
  const { initiatorDomains: _, excludedInitiatorDomains: __, domainType: ___, ...kept } = condition;
  return isAbout({ ...others, condition: kept }, url, "main_frame", undefined);
}

function isAbout({ condition }: DnrRule, url: string, type: string, initiator: string | undefined): boolean {
  const { hostname } = new URL(url);
  const asking = initiator === undefined ? "" : new URL(initiator).hostname;
  const within = (name: string, domains: readonly string[] = []) =>
    domains.some((domain) => `.${name}`.endsWith(`.${domain}`));
  const site = (name: string) => name.split(".").slice(-2).join(".");
  const { resourceTypes, requestDomains, initiatorDomains, domainType, urlFilter, regexFilter } = condition;
  return (
    (resourceTypes === undefined ? type !== "main_frame" : resourceTypes.some((one) => one === type)) &&
    (requestDomains === undefined || within(hostname, requestDomains)) &&
    !within(hostname, condition.excludedRequestDomains) &&
    (initiatorDomains === undefined || within(asking, initiatorDomains)) &&
    !within(asking, condition.excludedInitiatorDomains) &&
    (domainType === undefined || (domainType === "firstParty") === (site(hostname) === site(asking))) &&
    (urlFilter === undefined || expression(urlFilter).test(url)) &&
    (regexFilter === undefined || new RegExp(regexFilter, "i").test(url))
  );
}

/** As it reads in Chrome's documentation of `urlFilter`. */
function expression(pattern: string): RegExp {
  const start = pattern.startsWith("||") ? "^[a-z]+://([^/:?#]*\\.)?" : pattern.startsWith("|") ? "^" : "";
  const rest = pattern.replace(/^\|{1,2}/, "");
  const end = rest.endsWith("|") ? "$" : "";
  const body = [...(end ? rest.slice(0, -1) : rest)].map((character) => {
    if (character === "*") return ".*";
    if (character === "^") return "(?:[^a-z0-9_.%-]|$)";
    return character.replace(/[.|?+$()[\]{}\\/-]/g, "\\$&");
  });
  return new RegExp(start + body.join("") + end, "i");
}
