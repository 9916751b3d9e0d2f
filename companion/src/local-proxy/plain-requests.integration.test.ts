import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createServer } from "node:net";
import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";
import { DIRECT, type Route, routeId } from "@atlantic/shared/routing/route.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { portOf } from "../port-of.ts";
import { type EchoSite, startByteSite, startEchoSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ProxyConnection } from "../testing/proxy-connection.ts";
import { ControlStandIn, exitRoute, TestBrowser, tabAttribution } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const US = exitRoute("us");
const DE = exitRoute("de");

let echo: EchoSite;
let bytes: Awaited<ReturnType<typeof startByteSite>>;
let exits: ExitProxy;
let companion: TestCompanion;
let browser: TestBrowser;

beforeEach(async () => {
  echo = await startEchoSite();
  bytes = await startByteSite();
  exits = await startExitProxy({ "plain.test:80": echo.port, "ws.test:80": bytes.port });
  companion = await startTestCompanion(exits.port, { hosts: { "plain.test:80": `127.0.0.1:${echo.port}` } });
  browser = await TestBrowser.open(companion.controlSocket);
  await browser.attributed([
    { tabId: 1, site: "plain.test", route: US },
    { tabId: 2, site: "b.test", route: DE },
    { tabId: 3, site: "c.test", route: DIRECT },
    { tabId: 4, site: "d.test", route: { kind: "block" } },
  ]);
});

afterEach(async () => {
  await browser.control.close();
  await companion.close();
  exits.close();
  bytes.close();
  echo.close();
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

function get(
  headers: Record<string, string>,
  { method = "GET", path = "http://plain.test/", body = "" } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: "127.0.0.1",
        port: companion.proxyPort,
        path,
        method,
        headers: { host: "plain.test", ...headers },
      },
      async (response) => {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        resolve({ status: response.statusCode ?? 0, body: text });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const of = (tabId: number, site: string, route: Route) => ({
  [ATTRIBUTION_HEADER]: browser.header(tabAttribution(tabId, site, route)),
});

test("each request leaves by its tab's route, one after another on the same connection", async () => {
  expect(JSON.parse((await get(of(1, "plain.test", US))).body).address).toMatch(/^127\.1\.1\./);
  expect(JSON.parse((await get(of(2, "b.test", DE))).body).address).toMatch(/^127\.1\.2\./);
  expect(JSON.parse((await get(of(3, "c.test", DIRECT))).body).address).toBe("127.0.0.1");
  const connection = await ProxyConnection.open(companion.proxyPort);
  for (const [tabId, site, route, network] of [
    [1, "plain.test", US, "127.1.1."],
    [2, "b.test", DE, "127.1.2."],
    [1, "plain.test", US, "127.1.1."],
  ] as const) {
    const header = browser.header(tabAttribution(tabId, site, route));
    connection.socket.write(
      `GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\n${ATTRIBUTION_HEADER}: ${header}\r\n\r\n`,
    );
    const answer = await connection.answer();
    expect(answer?.status).toBe(200);
    await connection.take(Number(answer?.headers["content-length"]));
    expect(echo.seen.at(-1)?.address.startsWith(network)).toBe(true);
  }
});

test("no site ever receives the attribution header, the secret or the proxy's own fields", async () => {
  const noisy = {
    "proxy-authorization": browser.credential(tabAttribution(1, "plain.test", US)),
    "proxy-connection": "keep-alive",
    connection: "keep-alive, x-private",
    "x-private": "1",
    "x-kept": "yes",
    "keep-alive": "timeout=5",
    te: "gzip",
  };
  await get({ ...noisy, ...of(1, "plain.test", US) });
  await get({ ...noisy, ...of(3, "c.test", DIRECT) });
  expect(echo.seen).toHaveLength(2);
  for (const { headers } of echo.seen) {
    const text = JSON.stringify(headers);
    expect(text).not.toContain(browser.identity.headerToken);
    expect(text).not.toContain(browser.identity.proxySecret);
    expect(headers["x-kept"]).toBe("yes");
    for (const name of [
      ATTRIBUTION_HEADER,
      "proxy-authorization",
      "proxy-connection",
      "x-private",
      "keep-alive",
      "te",
    ]) {
      expect(headers).not.toHaveProperty(name);
    }
  }
});

test("no site receives them through a ws:// tunnel either: what is asked of the proxy stays with the proxy", async () => {
  browser.requestStarted("ws.test", 80);
  const connection = await ProxyConnection.open(companion.proxyPort);
  const issued = await connection.connect("ws.test:80");
  const credential = browser.credential(tabAttribution(1, "plain.test", US), issued?.nonce);
  expect((await connection.connect("ws.test:80", credential))?.status).toBe(200);
  await connection.line();
  connection.socket.write("GET /chat HTTP/1.1\r\nHost: ws.test\r\nUpgrade: websocket\r\n\r\n\n");
  await connection.take("GET /chat HTTP/1.1\r\n".length);
  const received = Buffer.concat(bytes.received).toString();
  expect(received.startsWith("GET /chat HTTP/1.1\r\n")).toBe(true);
  expect(received).not.toContain(browser.identity.proxySecret);
  expect(received.toLowerCase()).not.toContain("proxy-authorization");
});

test("a request without an attribution, or with a wrong one, goes nowhere and gets a page that says what to do", async () => {
  const right = browser.header(tabAttribution(1, "plain.test", US));
  const wrong = [
    {},
    { [ATTRIBUTION_HEADER]: "nonsense" },
    { [ATTRIBUTION_HEADER]: `${"0".repeat(48)}/${right.split("/").slice(1).join("/")}` },
    of(9, "plain.test", US),
  ];
  for (const headers of wrong) {
    const { status, body } = await get(headers);
    expect(status).toBe(403);
    expect(body).toContain("not sent anywhere");
  }
  expect((await get(of(4, "d.test", { kind: "block" }))).status).toBe(403);
  expect(echo.seen).toEqual([]);
});

test("the same token is worth nothing after the browser has gone", async () => {
  const headers = of(3, "c.test", DIRECT);
  expect((await get(headers)).status).toBe(200);
  const command = await ControlStandIn.open(companion.controlSocket);
  await command.ask("hello", { client: { kind: "cli", name: "test", version: "1" } });
  await browser.control.close();
  await command.notice("status.changed", ({ browsers }) => browsers.length === 0);
  await command.close();
  expect((await get(headers)).status).toBe(403);
  expect(echo.seen).toHaveLength(1);
});

test("a body arrives whole, and the Host is the URL's whatever the request says", async () => {
  const body = "x".repeat(100_000);
  const { status } = await get({ ...of(1, "plain.test", US), host: "evil.test" }, { method: "POST", body });
  expect(status).toBe(200);
  expect(echo.seen[0]).toMatchObject({ method: "POST", body, headers: { host: "plain.test" } });
});

test("a request that is under way when its tab's route changes is cut, not finished on the old way", async () => {
  const connection = await ProxyConnection.open(companion.proxyPort);
  const header = browser.header(tabAttribution(1, "plain.test", US));
  connection.socket.write(
    `POST http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 10\r\n${ATTRIBUTION_HEADER}: ${header}\r\n\r\nhalf`,
  );
  while (exits.logins.length === 0) await browser.control.ask("status.get", {});
  const { closedTunnels } = await browser.attributed([{ tabId: 1, site: "plain.test", route: DE }]);
  expect(closedTunnels).toBe(1);
  await connection.ended();
});

test("what was asked for before its tab turned is cut off and goes nowhere, so that the browser asks for its page again", async () => {
  const outdated = [
    of(1, "plain.test", DE),
    { [ATTRIBUTION_HEADER]: browser.header({ kind: "steady", routeId: routeId(US) }) },
  ];
  for (const headers of outdated) {
    await expect(get(headers)).rejects.toMatchObject({ code: "ECONNRESET" });
    // Nobody asks again for what was sent with a form.
    const { status, body } = await get(headers, { method: "POST", body: "words" });
    expect(status).toBe(403);
    expect(body).toContain("not sent anywhere");
  }
  expect(echo.seen).toEqual([]);
});

test("an upstream that refuses is a page, never a password dialog and never a direct connection", async () => {
  exits.refuseWith = 407;
  expect((await get(of(1, "plain.test", US))).status).toBe(502);
  exits.close();
  expect((await get(of(1, "plain.test", US))).status).toBe(502);
  expect(echo.seen).toEqual([]);
});

test.each([
  ["HTTP/1.1 200 O\u0001K", 200],
  ["HTTP/1.1 099 Odd", 502],
])("a site that answers %j gets an answer to its page, and ends nothing else", async (statusLine, status) => {
  const site = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(`${statusLine}\r\nContent-Length: 2\r\n\r\nhi`));
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const path = `http://127.0.0.1:${portOf(site)}/`;
  expect((await get(of(3, "c.test", DIRECT), { path })).status).toBe(status);
  site.close();
});

test("the proxy itself serves nothing to programs that take it for a site", async () => {
  expect((await get({}, { path: "/" })).status).toBe(400);
});

test("bytes and requests through exits are counted, direct ones are not", async () => {
  await get(of(3, "c.test", DIRECT));
  const before = await browser.control.ask("status.get", {});
  expect(before.usage).toEqual({ sentBytes: "0", receivedBytes: "0", requests: 0 });
  await get(of(1, "plain.test", US), { method: "POST", body: "y".repeat(10_000) });
  const { usage } = await browser.control.ask("status.get", {});
  expect(usage.requests).toBe(1);
  expect(Number(usage.sentBytes)).toBeGreaterThan(10_000);
  expect(Number(usage.receivedBytes)).toBeGreaterThan(10_000);
});
