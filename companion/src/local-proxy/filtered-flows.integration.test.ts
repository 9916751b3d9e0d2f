import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILT_IN_LISTS } from "@atlantic/shared/blocking/built-in-list.ts";
import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";
import { DIRECT } from "@atlantic/shared/routing/route.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlClient } from "../control/control-client.ts";
import { companionPaths } from "../data-paths.ts";
import { type EchoSite, startEchoSite } from "../testing/echo-site.ts";
import { TestBrowser, tabAttribution } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

let echo: EchoSite;
let companion: TestCompanion;
let browser: TestBrowser;
let control: ControlClient;

beforeEach(async () => {
  echo = await startEchoSite();
  const here = `127.0.0.1:${echo.port}`;
  const hosts = { "ads.test:80": here, "page.test:80": here };
  companion = await startTestCompanion(1, { filtering: true, hosts }, dataWithoutLists());
  browser = await TestBrowser.open(companion.controlSocket);
  await browser.attributed([
    { tabId: 1, site: "page.test", route: DIRECT },
    { tabId: 2, site: "other.test", route: DIRECT },
  ]);
  control = await ControlClient.open(companion.controlSocket, "test", "0");
});

afterEach(async () => {
  control.close();
  await browser.control.close();
  await companion.close();
  echo.close();
});

/** Nothing but the person's word is tested here. */
function dataWithoutLists(): string {
  const data = mkdtempSync(join(tmpdir(), "atl-companion-"));
  const { names } = companionPaths(data);
  mkdirSync(names, { recursive: true });
  writeFileSync(join(names, "lists.json"), JSON.stringify({ version: 1, off: BUILT_IN_LISTS }));
  return data;
}

/** @param address without its scheme */
function plain(address: string, tabId: number, site: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const host = address.replace(/\/.*/, "");
  const accept = "image/avif,image/webp,*/*";
  const headers = { host, accept, [ATTRIBUTION_HEADER]: browser.header(tabAttribution(tabId, site, DIRECT)) };
  const options = {
    host: "127.0.0.1",
    port: companion.proxyPort,
    path: URL.parse(`http://${address}`)?.href,
    headers,
  };
  const asked = httpRequest(options, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asked.once("error", reject);
  asked.end();
  return promise;
}

test("a browser's plain request to a blocked name is refused, without privilege", async () => {
  expect(await plain("ads.test", 1, "page.test")).toBe(200);
  await control.request("dns.say", { name: "ads.test", word: "block" });
  expect(await plain("ads.test", 1, "page.test")).toBe(403);
  expect(await plain("page.test", 1, "page.test")).toBe(200);
  expect(await control.request("dns.why", { name: "x.ads.test" })).toMatchObject({
    decision: "blocked",
    list: "user",
  });
});

test("a site without blocking has its flows let through, and other sites have not", async () => {
  await control.request("dns.say", { name: "ads.test", word: "block" });
  await control.request("dns.site", { site: "page.test", filtered: false });
  expect(await plain("ads.test", 1, "page.test")).toBe(200);
  expect(await plain("ads.test", 2, "other.test")).toBe(403);
  await control.request("dns.site", { site: "page.test", filtered: true });
  expect(await plain("ads.test", 1, "page.test")).toBe(403);
});

test("a plain request is blocked by its whole address, counted, and explained; not for a site without blocking", async () => {
  await control.request("dns.list.restore", { id: "ads" });
  const ad = "page.test/ads/banner/1.gif";
  const { decision, list, text } = await control.request("dns.why", { name: `http://${ad}` });
  expect([decision, list]).toEqual(["blocked", "ads"]);
  expect(text).toContain("over plain http by the local proxy");
  // As the extension's rules say it: the tab alone.
  expect(await plain(ad, 1, "")).toBe(403);
  expect(await plain("page.test/news/1.gif", 1, "")).toBe(200);
  const { lists } = await control.request("dns.status", {});
  expect(lists.find(({ id }) => id === "ads")?.blocked).toBe(1);

  await control.request("dns.site", { site: "page.test", filtered: false });
  expect(await plain(ad, 1, "")).toBe(200);
  await control.request("dns.site", { site: "page.test", filtered: true });
  await control.request("dns.site", { site: "other.test", filtered: false });
  expect(await plain(ad, 1, "")).toBe(403);
  expect(await plain(ad, 2, "")).toBe(200);
  await control.request("dns.list.remove", { id: "ads" });
  expect(await plain(ad, 1, "")).toBe(200);
});

test("a browser hears what it is to filter by itself, at once and when it asks", async () => {
  const heard = browser.control.notice("dns.changed", ({ unfiltered }) => unfiltered.includes("page.test"));
  await control.request("dns.say", { name: "fine.test", word: "allow" });
  await control.request("dns.list.restore", { id: "tracking" });
  await control.request("dns.site", { site: "page.test", filtered: false });
  const filter = {
    isOn: true,
    lists: ["tracking"],
    unfiltered: ["page.test"],
    allowed: ["fine.test"],
    blocked: [],
  };
  expect(await heard).toEqual(filter);
  expect(await browser.control.ask("dns.browser", {})).toEqual(filter);
});

test("where filtering is off altogether nobody blocks anything, the browser neither", async () => {
  const off = await startTestCompanion(1);
  const asking = await ControlClient.open(off.controlSocket, "test", "0");
  const { decision } = await asking.request("dns.say", { name: "ads.test", word: "block" });
  expect(decision).toBe("unlisted");
  expect(await asking.request("dns.browser", {})).toMatchObject({ isOn: false, lists: [], blocked: [] });
  asking.close();
  await off.close();
});

test("what the person blocks is listed, and its flows are counted", async () => {
  await control.request("dns.say", { name: "ads.test", word: "block" });
  expect(await plain("ads.test", 1, "page.test")).toBe(403);
  const { blocked, lists } = await control.request("dns.status", {});
  expect(blocked).toEqual(["ads.test"]);
  expect(lists.find(({ id, entries }) => id === "user" && entries === 1)?.blocked).toBe(1);
});
