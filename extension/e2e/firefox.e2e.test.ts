import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { indexRules } from "@atlantic/shared/blocking/urls/rule-index.ts";
import { DIRECT, type Route } from "@atlantic/shared/routing/route.ts";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RunningServer, startServer } from "../../server/web/e2e/running-server.ts";
import { addressRulesPath, rulesetPath } from "../src/engine/rulesets.ts";
import { type FirefoxBrowser, type FirefoxTab, openFirefoxBrowser } from "./firefox-browser.ts";
import { buildExtension } from "./tabs/build-extension.ts";
import type { CompanionProcess } from "./tabs/companion-process.ts";
import { startCompanion } from "./whole-product.ts";

const ECHO = "http://echo.atlantic.test/";
const NEW_YORK: Route = { kind: "exit", exit: { country: "us", city: "new_york" } };
const BERLIN: Route = { kind: "exit", exit: { country: "de", city: "berlin" } };

/** Names that lead to the near site. */
const PAGE = "page.test";
const PARTS = "parts.test";
/** In place of the list's own rules about addresses. */
const addressRules = [
  { action: { type: "block" }, condition: { urlFilter: "/banner/", resourceTypes: ["script"] } },
  { action: { type: "allow" }, condition: { urlFilter: `||${PARTS}/banner/fine` } },
];

let directory: string;
let server: RunningServer;
let companion: CompanionProcess;
let firefox: FirefoxBrowser;
/** A site on this machine's own address, which Firefox would reach without any proxy. */
let near: { url: string; visits: () => number; close: () => void };
let ad: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-firefox-"));
  const profile = join(directory, "profile");
  const [started, extension] = await Promise.all([
    startServer(),
    buildExtension(join(directory, "build"), "firefox"),
  ]);
  server = started;
  await writeFile(join(extension, addressRulesPath("ads")), indexRules(readRules(addressRules)));
  ad = await nameOfAds(extension);
  near = await nearSite();
  const names = [ad, PAGE, PARTS].map((name) => [`${name}:80`, new URL(near.url).host] as const);
  companion = await startCompanion(join(directory, "data"), server, Object.fromEntries(names));
  await companion.introduce(profile, "firefox");
  firefox = await openFirefoxBrowser(profile, extension);
  await vi.waitFor(async () => expect((await status()).browsers).toHaveLength(1), { timeout: 60_000 });
});
afterAll(async () => {
  await firefox?.close();
  await companion?.close();
  await server?.close();
  near?.close();
  await rm(directory, { recursive: true, force: true });
});

it("sends each tab its own way, and nothing anywhere once the companion is gone", async () => {
  expect((await status()).browsers[0]?.name).toBe("Firefox");
  const stray = await firefox.newTab();
  await stray.open(near.url);
  expect(near.visits()).toBe(1);

  await set({ kind: "everything" }, NEW_YORK);
  const [us, usId] = await echoTab();
  const [de, deId] = await echoTab();
  const [direct, directId] = await echoTab();
  await set({ kind: "tab", tabId: usId }, NEW_YORK);
  await set({ kind: "tab", tabId: deId }, BERLIN);
  await set({ kind: "tab", tabId: directId }, DIRECT);
  await set({ kind: "everything" }, DIRECT);

  for (let round = 0; round < 3; round += 1) {
    await Promise.all([us, de, direct].map((tab) => tab.open(`${ECHO}?round=${round}`)));
    expect(await us.text()).toMatch(/127\.1\.1\.\d/);
    expect(await de.text()).toMatch(/127\.1\.2\.\d/);
    expect(await direct.text()).toMatch(/127\.0\.0\.1/);
  }

  const opened = await de.openFromPage(`${ECHO}?opened`);
  await vi.waitFor(async () => expect(await opened.text()).toMatch(/127\.1\.2\.\d/), { timeout: 60_000 });

  await set({ kind: "tab", tabId: usId }, { kind: "block" });
  await expect(us.open(ECHO)).rejects.toThrow();

  await companion.kill();
  for (const tab of [us, de, direct, stray]) await expect(tab.open(near.url)).rejects.toThrow();
  await expect((await firefox.newTab()).open(near.url)).rejects.toThrow();
  expect(near.visits()).toBe(1);

  await companion.startAgain();
  await vi.waitFor(() => de.open(ECHO), { timeout: 60_000, interval: 500 });
  expect(await de.text()).toMatch(/127\.1\.2\.\d/);
});

it("blocks an address, but for an exception and on a site without blocking", async () => {
  await useExits();
  const tab = await firefox.newTab();
  const [banner, fine] = [`http://${PARTS}/banner/1.js`, `http://${PARTS}/banner/fine.js`];
  await shows(tab, banner, "did not come");
  await shows(tab, fine, "came");
  await companion.control.request("dns.site", { site: PAGE, filtered: false });
  await shows(tab, banner, "came");
  await companion.control.request("dns.site", { site: PAGE, filtered: true });
  await shows(tab, banner, "did not come");
});

it("blocks ads of third parties by their name, until the list is switched off", async () => {
  await useExits();
  const tab = await firefox.newTab();
  const script = `http://${ad}/script.js`;
  await shows(tab, script, "did not come");
  await companion.control.request("dns.list.remove", { id: "ads" });
  await shows(tab, script, "came");
  await companion.control.request("dns.list.restore", { id: "ads" });
});

/** Only the companion knows where the names here lead. */
async function useExits(): Promise<void> {
  await set({ kind: "everything" }, NEW_YORK);
  await set({ kind: "everything" }, DIRECT);
}

/** Waits until a page with this script in it shows that it came, or that it did not. */
async function shows(tab: FirefoxTab, script: string, what: "came" | "did not come"): Promise<void> {
  const seen = async () => {
    await tab.open(`http://${PAGE}/with/${encodeURIComponent(script)}`);
    return tab.text();
  };
  await vi.waitFor(async () => expect(await seen()).toBe(`the script ${what}`), { timeout: 60_000 });
}

function status() {
  return companion.control.request("status.get", {});
}

type Scope = { kind: "everything" } | { kind: "tab"; tabId: number };

function set(scope: Scope, route: Route): Promise<unknown> {
  return companion.control.request("route.set", { scope, route });
}

/** Opens another tab on the echo site. @returns the tab with the number that the extension knows it by */
async function echoTab(): Promise<[FirefoxTab, number]> {
  const before = await echoTabs();
  const tab = await firefox.newTab();
  await tab.open(ECHO);
  const added = async () => (await echoTabs()).filter((id) => !before.includes(id));
  await vi.waitFor(async () => expect(await added()).toHaveLength(1), { timeout: 60_000 });
  return [tab, (await added())[0] ?? 0];
}

/** Those that the extension has told the companion of: a moment after their pages have come. */
async function echoTabs(): Promise<number[]> {
  const tabs = await companion.control.request("route.list", {});
  return tabs.filter(({ site }) => site !== null && ECHO.includes(site)).map(({ tabId }) => tabId);
}

/** A name that the extension blocks for third parties, and the resolver and the local proxy for nobody. */
async function nameOfAds(extension: string): Promise<string> {
  const rules = readRules(JSON.parse(await readFile(join(extension, rulesetPath("ads")), "utf8")));
  const found = rules.find(
    ({ action, condition }) =>
      action.type === "block" &&
      Object.keys(condition).sort().join() === "domainType,requestDomains" &&
      condition.domainType === "thirdParty",
  );
  return found?.condition.requestDomains?.[0] ?? "none.test";
}

async function nearSite(): Promise<typeof near> {
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  const own = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  if (!own) throw new Error("This machine has no address but loopback, and Firefox proxies nothing to that.");
  let visits = 0;
  const site = createServer((request, response) => {
    if (request.url === "/") visits += 1;
    response.setHeader("cache-control", "no-store");
    const script =
      request.url?.startsWith("/with/") && decodeURIComponent(request.url.slice("/with/".length));
    if (!script) return void response.end("near");
    const say = (what: string) => `document.body.textContent = 'the script ${what}'`;
    response.setHeader("content-type", "text/html");
    response.end(
      `<body><script src="${script}" onload="${say("came")}" onerror="${say("did not come")}"></script>`,
    );
  }).listen(0, own.address);
  await new Promise((resolve) => site.once("listening", resolve));
  const { port } = site.address() as AddressInfo;
  return {
    url: `http://${own.address}:${port}/`,
    visits: () => visits,
    close: () => {
      site.closeAllConnections();
      site.close();
    },
  };
}
