import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { readRules } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { DIRECT, type Route } from "@atlantic/shared/routing/route.ts";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RunningServer, startServer } from "../../server/web/e2e/running-server.ts";
import { rulesetPath } from "../src/engine/rulesets.ts";
import { type FirefoxBrowser, type FirefoxTab, openFirefoxBrowser } from "./firefox-browser.ts";
import { buildExtension } from "./tabs/build-extension.ts";
import type { CompanionProcess } from "./tabs/companion-process.ts";
import { startCompanion } from "./whole-product.ts";

const ECHO = "http://echo.atlantic.test/";
const NEW_YORK: Route = { kind: "exit", exit: { country: "us", city: "new_york" } };
const BERLIN: Route = { kind: "exit", exit: { country: "de", city: "berlin" } };

let directory: string;
let server: RunningServer;
let companion: CompanionProcess;
let firefox: FirefoxBrowser;
/** A site on this machine's own address, which Firefox would reach without any proxy. */
let near: { url: string; visits: () => number; close: () => void };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-firefox-"));
  const profile = join(directory, "profile");
  const [started, extension] = await Promise.all([
    startServer(),
    buildExtension(join(directory, "build"), "firefox"),
  ]);
  server = started;
  const ad = await nameOfAds(extension);
  near = await nearSite(`http://${ad}/script.js`);
  companion = await startCompanion(join(directory, "data"), server, { [`${ad}:80`]: new URL(near.url).host });
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

it("blocks ads of third parties by their name, until the list is switched off", async () => {
  const tab = await firefox.newTab();
  const seen = async () => {
    await tab.open(`${near.url}with-ad`);
    return tab.text();
  };
  await vi.waitFor(async () => expect(await seen()).toBe("the ad did not come"), { timeout: 60_000 });
  await companion.control.request("dns.list.remove", { id: "ads" });
  await vi.waitFor(async () => expect(await seen()).toBe("the ad came"), { timeout: 60_000 });
});

function status() {
  return companion.control.request("status.get", {});
}

type Scope = { kind: "everything" } | { kind: "tab"; tabId: number };

function set(scope: Scope, route: Route): Promise<unknown> {
  return companion.control.request("route.set", { scope, route });
}

/** Opens another tab on the echo site. @returns the tab with the number that the extension knows it by */
async function echoTab(): Promise<[FirefoxTab, number]> {
  const before = await knownTabs();
  const tab = await firefox.newTab();
  await tab.open(ECHO);
  const [added] = (await knownTabs()).filter((id) => !before.includes(id));
  if (added === undefined) throw new Error("The extension does not know the new tab.");
  return [tab, added];
}

async function knownTabs(): Promise<number[]> {
  return (await companion.control.request("route.list", {})).map(({ tabId }) => tabId);
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

async function nearSite(script: string): Promise<typeof near> {
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  const own = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  if (!own) throw new Error("This machine has no address but loopback, and Firefox proxies nothing to that.");
  let visits = 0;
  const site = createServer((request, response) => {
    if (request.url === "/") visits += 1;
    response.setHeader("cache-control", "no-store");
    if (request.url !== "/with-ad") return void response.end("near");
    const say = (what: string) => `document.body.textContent = 'the ad ${what}'`;
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
