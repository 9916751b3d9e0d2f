import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { companionRequests } from "@atlantic/shared/control/messages.ts";
import { routeId } from "@atlantic/shared/routing/route.ts";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { companionPaths } from "../data-paths.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ControlStandIn, exitRoute, TestBrowser } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const US = exitRoute("us");
const extension = { kind: "extension", name: "Chromium", version: "1" } as const;
const command = { kind: "cli", name: "atlantic", version: "1" } as const;

let exits: ExitProxy;
let companion: TestCompanion;

beforeEach(async () => {
  exits = await startExitProxy({});
  companion = await startTestCompanion(exits.port);
});

afterEach(async () => {
  await companion.close();
  exits.close();
});

const open = () => ControlStandIn.open(companion.controlSocket);

/** The companion still answers a newcomer. */
async function isAlive(): Promise<boolean> {
  const client = await open();
  const { tier } = await client.ask("hello", { client: command });
  await client.close();
  return tier === "policy";
}

describe("whatever is sent", () => {
  async function send(bytes: Uint8Array | string): Promise<void> {
    const socket = connect(companion.controlSocket);
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.end(bytes);
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
  }

  test("any bytes: the companion goes on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => send(bytes)),
      { numRuns: 50 },
    );
    expect(await isAlive()).toBe(true);
  });

  test("any JSON in and around envelopes, whole and half: the companion goes on", async () => {
    const names = fc.constantFrom(
      ...Object.keys(companionRequests),
      "relay.open",
      "__proto__",
      "constructor",
      "",
    );
    const envelopes = fc.oneof(
      fc.record({ id: fc.oneof(fc.integer(), fc.string()), ask: names, params: fc.jsonValue() }),
      fc.record({ tell: names, params: fc.jsonValue() }),
      fc.record({ id: fc.nat(), result: fc.jsonValue() }),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(envelopes, { maxLength: 8 }), fc.nat(30), (list, missing) => {
        const text = list.map((envelope) => `${JSON.stringify(envelope)}\n`).join("");
        return send(text.slice(0, Math.max(0, text.length - missing)));
      }),
      { numRuns: 100 },
    );
    expect(await isAlive()).toBe(true);
  });

  test("a line without an end is cut off", async () => {
    const socket = connect(companion.controlSocket);
    socket.on("error", () => {});
    await once(socket, "connect");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const block = Buffer.alloc(100_000, 0x20);
    for (let sent = 0; sent < 20 && !socket.destroyed; sent += 1) socket.write(block);
    socket.resume();
    await closed;
    expect(await isAlive()).toBe(true);
  });
});

describe("tiers", () => {
  test("before hello nothing but hello and pairing is answered", async () => {
    const client = await open();
    for (const [name, { tier }] of Object.entries(companionRequests)) {
      if (tier === "none") continue;
      await expect(client.ask(name as "status.get", {})).rejects.toMatchObject({ code: "not_allowed" });
    }
    await client.close();
  });

  test("a paired browser chooses exits, and neither pairs others nor issues tickets", async () => {
    const browser = await TestBrowser.open(companion.controlSocket);
    expect(await browser.control.ask("status.get", {})).toMatchObject({
      browsers: [{ id: browser.identity.id }],
    });
    for (const name of ["pair.ticket", "pair.pending", "pair.answer"] as const) {
      await expect(browser.control.ask(name as "pair.ticket", {})).rejects.toMatchObject({
        code: "not_allowed",
      });
    }
    await browser.control.close();
  });

  test("an unpaired browser's notices are not heard", async () => {
    const client = await open();
    client.tell("request.started", {
      requestId: "1",
      tabId: 1,
      frameId: 0,
      host: "a.test",
      port: 443,
      challengeable: true,
    });
    expect((await client.ask("hello", { client: extension })).tier).toBe("none");
    await client.close();
  });

  test("wrong parameters are named, and their values are not repeated", async () => {
    const client = await open();
    const secret = "s3cret-token";
    const failed = client.ask("pair.begin", { token: secret });
    await expect(failed).rejects.toMatchObject({
      code: "malformed",
      message: expect.stringContaining("token"),
    });
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining(secret) });
    await client.close();
  });
});

describe("pairing", () => {
  test("six words are shown on both sides, the popup's yes pairs, and only the token's digest is kept", async () => {
    const client = await open();
    client.tell("relay.open", { origin: "chrome-extension://test/" });
    await client.ask("hello", { client: extension });
    const token = "c3".repeat(32);
    const { words } = await client.ask("pair.begin", { token });
    expect(words).toHaveLength(6);
    expect(companion.announced.map((request) => request.words)).toEqual([words]);
    expect((await client.ask("hello", { client: extension, pairingToken: token })).tier).toBe("none");
    await client.ask("pair.confirm", { accepted: true });
    expect(await client.notice("pair.settled")).toEqual({ accepted: true });
    expect((await client.ask("hello", { client: extension, pairingToken: token })).tier).toBe("choose");
    const kept = readFileSync(companion.paths.state, "utf8");
    expect(kept).not.toContain(token);
    expect(statSync(companion.paths.state).mode & 0o777).toBe(0o600);
    await client.close();
  });

  test("a no pairs nobody, and an answer can be given once", async () => {
    const client = await open();
    await client.ask("hello", { client: extension });
    const token = "d4".repeat(32);
    await client.ask("pair.begin", { token });
    await client.ask("pair.confirm", { accepted: false });
    expect(await client.notice("pair.settled")).toEqual({ accepted: false });
    await expect(client.ask("pair.confirm", { accepted: true })).rejects.toMatchObject({ code: "not_found" });
    expect((await client.ask("hello", { client: extension, pairingToken: token })).tier).toBe("none");
    await client.close();
  });

  test("a pairing and a session outlive the companion; the secrets do not", async () => {
    const token = "e5".repeat(32);
    const browser = await TestBrowser.open(companion.controlSocket, { token });
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const before = await browser.control.ask("session.rotate", { routeId: routeId(US) });
    companion = await companion.restart();
    const again = await TestBrowser.open(companion.controlSocket, { token });
    expect(again.identity.id).toBe(browser.identity.id);
    expect(again.identity.proxySecret).not.toBe(browser.identity.proxySecret);
    expect(companion.announced).toEqual([]);
    const { sessions } = await again.control.ask("status.get", {});
    expect(sessions).toMatchObject([{ routeId: routeId(US), startedAt: before.startedAt }]);
    await again.control.close();
  });
});

describe("plans", () => {
  test("an older plan does not undo a newer one, and ids that lie are refused", async () => {
    const browser = await TestBrowser.open(companion.controlSocket);
    await browser.steady(US);
    await browser.steady(US);
    const mode = { kind: "steady", routeId: "x1" } as const;
    const plan = { revision: 3, mode, routes: { x1: US }, tabs: [] };
    await expect(browser.control.ask("plan.apply", plan)).rejects.toMatchObject({ code: "malformed" });
    await browser.control.close();
  });

  test("the status tells of browsers that come and go", async () => {
    const watcher = await open();
    await watcher.ask("hello", { client: command });
    const browser = await TestBrowser.open(companion.controlSocket, { name: "Ada's" });
    await browser.steady(US, [{ tabId: 1, site: "a.test" }]);
    await watcher.notice("status.changed", ({ browsers }) => browsers[0]?.tabs === 1);
    watcher.told.length = 0;
    await browser.control.close();
    await watcher.notice("status.changed", ({ browsers }) => browsers.length === 0);
    await watcher.close();
  });
});

describe("one companion on one data directory", () => {
  test("a second one says so in one sentence and leaves the first alone", async () => {
    const second = startTestCompanion(exits.port, {}, dirname(companion.paths.directory));
    await expect(second).rejects.toThrow(/^A companion is already running on this data directory/);
    expect(await isAlive()).toBe(true);
  });

  test("a port in use is one sentence, and the control socket is given back", async () => {
    const directory = mkdtempSync(join(tmpdir(), "atl-companion-"));
    const other = startTestCompanion(exits.port, { proxyPort: exits.port }, directory);
    await expect(other).rejects.toThrow(`Port ${exits.port} on 127.0.0.1 is in use`);
    expect(existsSync(companionPaths(directory).controlSocket)).toBe(false);
    rmSync(directory, { recursive: true });
  });

  test("nobody else can reach the socket, and nothing is left of it after the end", async () => {
    expect(statSync(dirname(companion.controlSocket)).mode & 0o777).toBe(0o700);
    expect(statSync(companion.controlSocket).mode & 0o777).toBe(0o600);
    await companion.close();
    expect(existsSync(companion.controlSocket)).toBe(false);
    companion = await startTestCompanion(exits.port);
  });
});
