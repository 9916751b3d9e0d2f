import { afterEach, beforeEach, expect, test } from "vitest";
import { startByteSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ProxyConnection } from "../testing/proxy-connection.ts";
import { exitRoute, TestBrowser, tabAttribution } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const US = exitRoute("us");
const DE = exitRoute("de");

let bytes: Awaited<ReturnType<typeof startByteSite>>;
let exits: ExitProxy;
let companion: TestCompanion;
let browser: TestBrowser;

beforeEach(async () => {
  bytes = await startByteSite();
  exits = await startExitProxy({ "img.test:443": bytes.port });
  companion = await startTestCompanion(exits.port);
  browser = await TestBrowser.open(companion.controlSocket);
  await browser.attributed([
    { tabId: 1, site: "a.test", route: US },
    { tabId: 2, site: "b.test", route: DE },
  ]);
});

afterEach(async () => {
  await browser.control.close();
  await companion.close();
  exits.close();
  bytes.close();
});

const image = (tabId: number, frameId = 0) =>
  browser.requestStarted("img.test", 443, { tabId, frameId, challengeable: false });

test("an image for which nobody may answer is not challenged: a helper is asked for in its frame, and then it is", async () => {
  image(1, 4);
  const connection = await ProxyConnection.open(companion.proxyPort);
  const challenged = connection.connect("img.test:443");
  const wanted = await browser.control.notice("helper.wanted");
  expect(wanted).toEqual({ tabId: 1, frameId: 4, host: "img.test", port: 443 });
  browser.requestStarted("img.test", 443, { tabId: 1, frameId: 4 });
  const nonce = (await challenged)?.nonce;
  expect(nonce).toBeDefined();
  const credential = browser.credential(tabAttribution(1, "a.test", US), nonce);
  expect((await connection.connect("img.test:443", credential))?.status).toBe(200);
  expect(await connection.line()).toMatch(/^127\.1\.1\./);
});

test("an image of one tab holds back the challenge that another tab's request could answer", async () => {
  image(1);
  browser.requestStarted("img.test", 443, { tabId: 2 });
  const connection = await ProxyConnection.open(companion.proxyPort);
  const challenged = connection.connect("img.test:443");
  expect((await browser.control.notice("helper.wanted")).tabId).toBe(1);
  browser.requestStarted("img.test", 443, { tabId: 1 });
  expect((await challenged)?.status).toBe(407);
});

test("while an image waits, one challenge for its host is out at a time", async () => {
  image(1);
  browser.requestStarted("img.test", 443, { tabId: 1 });
  browser.requestStarted("img.test", 443, { tabId: 1 });
  const [one, other] = [
    await ProxyConnection.open(companion.proxyPort),
    await ProxyConnection.open(companion.proxyPort),
  ];
  const nonce = (await one.connect("img.test:443"))?.nonce;
  let isChallenged = false;
  const second = other.connect("img.test:443").then((answer) => {
    isChallenged = true;
    return answer;
  });
  await browser.control.ask("status.get", {});
  expect(isChallenged).toBe(false);
  const credential = browser.credential(tabAttribution(1, "a.test", US), nonce);
  expect((await one.connect("img.test:443", credential))?.status).toBe(200);
  expect((await second)?.status).toBe(407);
});

test("when the images have gone, whoever waits with them is let go", async () => {
  const requestId = image(1);
  const connection = await ProxyConnection.open(companion.proxyPort);
  const answer = connection.connect("img.test:443");
  await browser.control.notice("helper.wanted");
  browser.control.tell("request.settled", { requestId });
  expect(await answer).toBeUndefined();
});

test("a request that belongs to no page holds nobody back", async () => {
  image(-1);
  browser.requestStarted("img.test", 443, { tabId: 2 });
  const connection = await ProxyConnection.open(companion.proxyPort);
  expect((await connection.connect("img.test:443"))?.status).toBe(407);
  expect(browser.control.told.filter(({ name }) => name === "helper.wanted")).toEqual([]);
});

test("an image whose page forbids helpers does not hold the others back for long", async () => {
  image(1);
  browser.requestStarted("img.test", 443, { tabId: 2 });
  const connection = await ProxyConnection.open(companion.proxyPort);
  expect((await connection.connect("img.test:443"))?.status).toBe(407);
  const asked = browser.control.told.filter(({ name }) => name === "helper.wanted");
  expect(asked.length).toBeGreaterThan(1);
  expect(asked.every(({ params }) => params.tabId === 1)).toBe(true);
});
