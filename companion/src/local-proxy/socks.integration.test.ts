import { connect, type Socket } from "node:net";
import { dialThroughSocks5 } from "@atlantic/native";
import { type Attribution, formatAttribution } from "@atlantic/shared/control/attribution.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startByteSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { exitRoute, TestBrowser, tabAttribution } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const US = exitRoute("us");
const DE = exitRoute("de");

let bytes: Awaited<ReturnType<typeof startByteSite>>;
let exits: ExitProxy;
let companion: TestCompanion;
let browser: TestBrowser;
const opened: Socket[] = [];

beforeEach(async () => {
  bytes = await startByteSite();
  exits = await startExitProxy({ "site.test:443": bytes.port });
  companion = await startTestCompanion(exits.port);
  browser = await TestBrowser.open(companion.controlSocket);
  await browser.attributed([
    { tabId: 1, site: "a.test", route: US },
    { tabId: 2, site: "b.test", route: DE },
  ]);
});

afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await browser.control.close();
  await companion.close();
  exits.close();
  bytes.close();
});

async function open(attribution: Attribution, password = browser.identity.proxySecret): Promise<Socket> {
  const username = formatAttribution(attribution);
  const { socket } = await dialThroughSocks5({
    proxy: { host: "127.0.0.1", port: companion.proxyPort, username, password },
    target: { host: "site.test", port: 443 },
    timeoutMs: 10_000,
  });
  opened.push(socket);
  return socket;
}

async function firstLine(socket: Socket): Promise<string> {
  const [chunk] = await new Promise<[Buffer]>((resolve) => {
    socket.once("data", (data: Buffer) => resolve([data]));
    socket.resume();
  });
  return chunk.toString();
}

test("the login says whose tunnel it is, and it leaves by that tab's route", async () => {
  expect(await firstLine(await open(tabAttribution(1, "a.test", US)))).toMatch(/^127\.1\.1\./);
  expect(await firstLine(await open(tabAttribution(2, "b.test", DE)))).toMatch(/^127\.1\.2\./);
});

test("a wrong password, a wrong route and an unknown tab open nothing", async () => {
  await expect(open(tabAttribution(1, "a.test", US), "0".repeat(48))).rejects.toThrow();
  await expect(open(tabAttribution(1, "a.test", DE))).rejects.toThrow();
  await expect(open(tabAttribution(9, "a.test", US))).rejects.toThrow();
  expect(exits.logins).toEqual([]);
});

test("a change of the tab's route closes its tunnels", async () => {
  const socket = await open(tabAttribution(1, "a.test", US));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  const { closedTunnels } = await browser.attributed([{ tabId: 1, site: "a.test", route: DE }]);
  expect(closedTunnels).toBe(1);
  await closed;
});

test("a handshake that comes byte by byte is understood", async () => {
  const socket = connect(companion.proxyPort, "127.0.0.1");
  opened.push(socket);
  const name = Buffer.from(formatAttribution(tabAttribution(1, "a.test", US)));
  const word = Buffer.from(browser.identity.proxySecret);
  const host = Buffer.from("site.test");
  const all = Buffer.concat([
    Buffer.from([5, 1, 2, 1, name.length]),
    name,
    Buffer.from([word.length]),
    word,
    Buffer.from([5, 1, 0, 3, host.length]),
    host,
    Buffer.from([1, 187]),
  ]);
  let received = Buffer.alloc(0);
  const complete = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.includes("\n")) resolve();
    });
  });
  socket.setNoDelay(true);
  for (const byte of all) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
  await complete;
  expect([...received.subarray(0, 6)]).toEqual([5, 2, 1, 0, 5, 0]);
  expect(received.subarray(14).toString()).toMatch(/^127\.1\.1\.\d+\n$/);
});
