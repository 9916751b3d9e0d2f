import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";
import { type Route, routeId } from "@atlantic/shared/routing/route.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { COMPANION_NODE_FLAGS } from "./node-flags.ts";
import { ControlStandIn, exitRoute, TestBrowser, tabAttribution } from "./testing/test-browser.ts";

const US = exitRoute("us");
const DE = exitRoute("de");
const DIRECT: Route = { kind: "direct" };

const serverReady = z.object({
  kind: z.literal("ready"),
  webUrl: z.string(),
  gatewayHost: z.string(),
  gatewayPort: z.int(),
  credential: z.object({ username: z.string(), password: z.string() }),
  demonstration: z.object({ echoHost: z.string(), echoAddress: z.string() }),
});
const companionReady = z.object({ kind: z.literal("ready"), proxyPort: z.int(), controlSocket: z.string() });
type CompanionReady = z.infer<typeof companionReady>;

const token = "7a".repeat(32);
let data: string;
let server: ChildProcess;
let gateway: z.infer<typeof serverReady>;
let companion: ChildProcess;
let ready: CompanionReady;

function launch(entry: string, env: Record<string, string>, flags: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, entry), {
    env: { ...process.env, ATLANTIC_DATA: data, ...env },
    execArgv: [...flags],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

async function startCompanionProcess(): Promise<CompanionReady> {
  companion = launch("main.ts", {}, COMPANION_NODE_FLAGS);
  return companionReady.parse((await once(companion, "message"))[0]);
}

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "atl-whole-"));
  server = launch("../../server/src/main.ts", {
    ATLANTIC_WEB_PORT: "0",
    ATLANTIC_GATEWAY_PORT: "0",
    ATLANTIC_FIRST_ACCOUNT: "1",
  });
  gateway = serverReady.parse((await once(server, "message"))[0]);
  const { echoHost, echoAddress } = gateway.demonstration;
  mkdirSync(join(data, "companion"), { mode: 0o700 });
  const file = join(data, "companion", "config.json");
  writeFileSync(
    file,
    JSON.stringify({
      upstream: {
        kind: "gateway",
        host: gateway.gatewayHost,
        port: gateway.gatewayPort,
        apiUrl: gateway.webUrl,
        ...gateway.credential,
      },
      proxyPort: 0,
      addressCheckUrl: `http://${echoHost}/address`,
      hosts: { [`${echoHost}:80`]: echoAddress },
    }),
  );
  chmodSync(file, 0o600);
  ready = await startCompanionProcess();
});

afterAll(async () => {
  for (const child of [companion, server]) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  rmSync(data, { recursive: true, force: true });
});

/** The address that the echo site saw of a plain request of this tab. */
async function addressSeen(browser: TestBrowser, tabId: number, route: Route): Promise<string> {
  const path = `http://${gateway.demonstration.echoHost}/address`;
  const attribution = tabAttribution(tabId, "atlantic.test", route);
  const outgoing = httpRequest({
    host: "127.0.0.1",
    port: ready.proxyPort,
    path,
    headers: { host: gateway.demonstration.echoHost, [ATTRIBUTION_HEADER]: browser.header(attribution) },
  }).end();
  const [response] = await once(outgoing, "response");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  if (response.statusCode !== 200) throw new Error(text);
  return z.object({ address: z.string() }).parse(JSON.parse(text)).address;
}

const tabs = [
  { tabId: 1, site: "atlantic.test", route: US },
  { tabId: 2, site: "b.test", route: DE },
  { tabId: 3, site: "c.test", route: DIRECT },
];

test("three tabs are seen at three addresses, which the companion has found out by itself", async () => {
  const browser = await TestBrowser.open(ready.controlSocket, { token });
  await browser.attributed(tabs);
  const us = await addressSeen(browser, 1, US);
  expect(us).toMatch(/^127\.1\.1\./);
  expect(await addressSeen(browser, 2, DE)).toMatch(/^127\.1\.2\./);
  expect(await addressSeen(browser, 3, DIRECT)).toBe("127.0.0.1");
  const { sessions } = await browser.control.notice("status.changed", (status) =>
    status.sessions.some(
      (session: { routeId: string; address: string }) =>
        session.routeId === routeId(US) && session.address !== null,
    ),
  );
  expect(sessions.find((session: { routeId: string }) => session.routeId === routeId(US)).address).toBe(us);
  await browser.control.close();
});

test("rotating gives the route another address, and the page sees the same one", async () => {
  const browser = await TestBrowser.open(ready.controlSocket, { token });
  await browser.attributed(tabs);
  const addresses = new Set([await addressSeen(browser, 1, US)]);
  for (let round = 0; round < 4; round += 1) {
    const session = await browser.control.ask("session.rotate", { routeId: routeId(US) });
    expect(session.problem).toBeNull();
    expect(await addressSeen(browser, 1, US)).toBe(session.address);
    addresses.add(session.address ?? "");
  }
  // Each is one of two hundred: all the same five times does not happen by chance.
  expect(addresses.size).toBeGreaterThan(1);
  await browser.control.close();
});

test("the exits and the account's balance come from the server, by the gateway's credential", async () => {
  const command = await ControlStandIn.open(ready.controlSocket);
  await command.ask("hello", { client: { kind: "cli", name: "atlantic", version: "1" } });
  const exits = await command.ask("exits.list", {});
  expect(exits.map(({ exit }) => exit.country).sort()).toEqual(["de", "jp", "us"]);
  const status = await command.ask("status.get", {});
  expect(status.upstream).toMatchObject({ reachable: true, problem: null });
  expect(Number(status.account?.remainingBytes)).toBeGreaterThan(0);
  const findings = await command.ask("doctor.run", {});
  expect(findings.filter(({ verdict }) => verdict === "bad")).toEqual([]);
  await command.close();
});

test("killed and started again: the browser is still paired, and nothing goes out before its plan", async () => {
  const before = await TestBrowser.open(ready.controlSocket, { token });
  await before.attributed(tabs);
  const gone = once(companion, "exit");
  companion.kill("SIGKILL");
  await gone;
  await before.control.closed;
  ready = await startCompanionProcess();
  const after = await TestBrowser.open(ready.controlSocket, { token });
  await expect(addressSeen(after, 3, DIRECT)).rejects.toThrow();
  await after.attributed(tabs);
  expect(await addressSeen(after, 1, US)).toMatch(/^127\.1\.1\./);
  await after.control.close();
});

test("idle it holds less than 120 MB", async () => {
  const status = readFileSync(`/proc/${companion.pid}/status`, "utf8");
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  expect(kilobytes).toBeLessThan(120_000);
});

test("without its server the upstream is said to be out of reach, and pages get an error", async () => {
  const browser = await TestBrowser.open(ready.controlSocket, { token });
  await browser.attributed(tabs);
  const gone = once(server, "exit");
  server.kill("SIGTERM");
  await gone;
  await expect(addressSeen(browser, 1, US)).rejects.toThrow();
  const session = await browser.control.ask("session.rotate", { routeId: routeId(US) });
  expect(session.address).toBeNull();
  expect(session.problem).not.toBeNull();
  await browser.control.close();
});

test("SIGTERM ends it in order", async () => {
  const gone = once(companion, "exit");
  companion.kill("SIGTERM");
  expect(await gone).toEqual([0, null]);
});
