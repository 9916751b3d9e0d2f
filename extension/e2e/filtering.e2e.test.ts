import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RULE_WEIGHT } from "@atlantic/shared/blocking/rulesets/rule-weight.ts";
import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RULESETS, rulesetPath } from "../src/engine/rulesets.ts";
import { buildExtension } from "./tabs/build-extension.ts";
import { loadPage } from "./tabs/load-page.ts";
import { runScenario } from "./tabs/run-scenario.ts";
import { byPost, byRedirect } from "./tabs/scenarios-ways.ts";
import { Stage, until } from "./tabs/stage.ts";
import { Scorer } from "./tabs/tally.ts";

/** As strong as a rule of a list can be: a build with a stronger one fails. */
const STRONGEST = RULE_WEIGHT.listsEnd - 1;

const pages = ["main_frame"];
const parts = ["sub_frame", "script", "image", "xmlhttprequest", "websocket"];

/** A list that blocks one script, and tries everything to let requests past the product's own rules. */
const hostileList = [
  { priority: 1, action: { type: "block" }, condition: { urlFilter: "||cdn.test/script.js?t=ad" } },
  {
    priority: STRONGEST,
    action: { type: "allow" },
    condition: { urlFilter: "|http", resourceTypes: pages },
  },
  {
    priority: STRONGEST,
    action: { type: "allowAllRequests" },
    condition: { requestDomains: ["b.test"], resourceTypes: pages },
  },
  {
    priority: STRONGEST,
    action: { type: "allow" },
    condition: { urlFilter: "t=plain", resourceTypes: parts },
  },
  {
    priority: STRONGEST,
    action: { type: "modifyHeaders", requestHeaders: [{ header: ATTRIBUTION_HEADER, operation: "remove" }] },
    condition: { urlFilter: "|http", resourceTypes: [...pages, ...parts] },
  },
];

const harmfulPage = {
  id: 1_000_000,
  priority: RULE_WEIGHT.harmfulPage,
  action: { type: "block" },
  condition: { urlFilter: "||e.test/harmful^", resourceTypes: pages },
};

let directory: string;
let stage: Stage;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-filtering-"));
  const extension = await buildExtension(directory);
  const ads = join(extension, rulesetPath("ads"));
  await writeFile(ads, JSON.stringify(hostileList.map((rule, index) => ({ ...rule, id: index + 1 }))));
  const security = join(extension, rulesetPath("security"));
  const harmful: unknown[] = JSON.parse(await readFile(security, "utf8"));
  await writeFile(security, JSON.stringify([...harmful, harmfulPage]));
  stage = await Stage.open({ policy: true, extension });
  await until(async () => (await rulesetsOn()).length === RULESETS.length);
});
afterAll(async () => {
  await stage?.close();
  await rm(directory, { recursive: true, force: true });
});

it.each([byPost, byRedirect])("no exception of a list leads past the gate: $name", async (scenario) => {
  const result = await runScenario(stage, scenario);
  const right = { fault: null, misrouted: 0, pastProxy: 0, broken: 0 };
  expect(result, result.examples.join("\n")).toMatchObject(right);
});

it("plain requests that a list excepts say whose they are all the same", async () => {
  const scorer = new Scorer(stage.origins.seen);
  const [us, de] = [await stage.newTabTo("us"), await stage.newTabTo("de")];
  scorer.expect("plain-us", "us");
  scorer.expect("plain-de", "de");
  await Promise.all([
    loadPage(us.page, "http://a.test/page?t=plain-us&n=0&k=2&ws=1", scorer),
    loadPage(de.page, "http://c.test/page?t=plain-de&n=0&k=2&ws=1", scorer),
  ]);
  expect(scorer.broken()).toEqual([]);
  expect(scorer.misrouted()).toEqual([]);
  expect(scorer.seen().length).toBeGreaterThan(10);
  await stage.closeTabs();
});

it("an ad is blocked by its address, until the person lets the site's ads through, asleep or awake", async () => {
  const { page } = await stage.newTab();
  await stage.companion.control.request("route.set", {
    scope: { kind: "everything" },
    route: { kind: "exit", exit: { country: "us" } },
  });
  expect(await showsAd(page, "a.test")).toBe(false);
  expect(await showsAd(page, "b.test")).toBe(true);

  await stage.command({ kind: "blockAds", site: "a.test", on: false });
  await expect.poll(() => showsAd(page, "a.test")).toBe(true);
  await expect.poll(() => showsAd(page, "c.test")).toBe(false);
  await stage.stopBackground();
  expect(await showsAd(page, "a.test")).toBe(true);

  await stage.companion.control.request("dns.site", { site: "a.test", filtered: true });
  await expect.poll(() => showsAd(page, "a.test")).toBe(false);
  await stage.stopBackground();
  expect(await showsAd(page, "a.test")).toBe(false);

  await stage.companion.control.request("dns.list.remove", { id: "ads" });
  await expect.poll(rulesetsOn).toEqual(["security", "security-pages", "tracking"]);
  expect(await showsAd(page, "a.test")).toBe(true);
  await stage.companion.control.request("dns.list.restore", { id: "ads" });
  await expect.poll(() => showsAd(page, "a.test")).toBe(false);
  await stage.closeTabs();
});

it("a harmful page is not opened although its site is free to go to", async () => {
  const [harmful, harmless] = [await stage.newTabTo("us"), await stage.newTabTo("us")];
  await expect(harmful.page.goto("https://e.test/harmful")).rejects.toThrow("ERR_BLOCKED_BY_CLIENT");
  expect(stage.origins.seen.filter(({ path }) => path === "/harmful")).toEqual([]);
  const scorer = new Scorer(stage.origins.seen);
  scorer.expect("harmless", "us");
  await loadPage(harmless.page, "https://e.test/page?t=harmless&n=0&k=1", scorer);
  expect([...scorer.broken(), ...scorer.misrouted()]).toEqual([]);
  expect(scorer.seen().length).toBeGreaterThan(0);
  await stage.closeTabs();
});

let loads = 0;

/** Loads a page of this site with an advertising script in it. */
async function showsAd(page: Page, host: string): Promise<boolean> {
  loads += 1;
  const letter = `ad${loads}`;
  const url = `https://${host}/page?t=${letter}&n=0&k=1`;
  const scorer = new Scorer(stage.origins.seen);
  scorer.expect(letter, "us");
  await loadPage(page, url, scorer);
  expect(scorer.misrouted()).toEqual([]);
  const came = scorer.seen().some(({ path }) => path === "/script.js");
  // Everything else comes, and the ad fails as blocked ads do.
  const lacking = scorer.broken().map((what) => (what.includes("/script.js") ? "ad" : what));
  expect(lacking).toEqual(came ? [] : ["ad"]);
  return came;
}

async function rulesetsOn(): Promise<string[]> {
  const on = await stage.worker.evaluate("chrome.declarativeNetRequest.getEnabledRulesets()");
  return (on as string[]).toSorted();
}
