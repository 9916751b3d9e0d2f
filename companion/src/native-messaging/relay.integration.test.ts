import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { EXTENSION_ID } from "@atlantic/shared/control/extension-id.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ControlStandIn } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";
import { encodeFrame, FrameReader } from "./framing.ts";
import { HOST_NAME, registerHost, registerHostForUser } from "./register.ts";

const EXTENSION = "abcdefghijklmnopabcdefghijklmnop";
const ORIGIN = `chrome-extension://${EXTENSION}/`;

let exits: ExitProxy;
let companion: TestCompanion;
let profile: string;
const running: Host[] = [];

beforeEach(async () => {
  exits = await startExitProxy({});
  companion = await startTestCompanion(exits.port);
  profile = mkdtempSync(join(tmpdir(), "atl-profile-"));
});

afterEach(async () => {
  for (const host of running.splice(0)) await host.end();
  await companion.close();
  exits.close();
  rmSync(profile, { recursive: true, force: true });
});

/** The relay as a browser runs it: the manifest's program, spoken to in frames. */
class Host {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #messages: unknown[] = [];
  readonly #ended: Promise<unknown>;

  constructor(manifest: string, argument: string) {
    const { path } = JSON.parse(readFileSync(manifest, "utf8"));
    this.#process = spawn(path, [argument], { stdio: ["pipe", "pipe", "inherit"] });
    this.#ended = once(this.#process, "close");
    this.#process.stdin.on("error", () => {});
    const reader = new FrameReader();
    this.#process.stdout.on("data", (chunk: Buffer) => {
      this.#messages.push(...reader.push(chunk).map((text) => JSON.parse(text)));
      this.#process.emit("message-read");
    });
    running.push(this);
  }

  post(message: unknown, space = 0): void {
    this.#process.stdin.write(encodeFrame(JSON.stringify(message, null, space)));
  }

  async next(): Promise<unknown> {
    while (this.#messages.length === 0) await once(this.#process, "message-read");
    return this.#messages.shift();
  }

  async end(): Promise<number | null> {
    this.#process.stdin.end();
    await this.#ended;
    return this.#process.exitCode;
  }

  get ended(): Promise<unknown> {
    return this.#ended;
  }
}

const dataDir = () => dirname(companion.paths.directory);
const hello = (pairingToken?: string) => ({
  id: 1,
  ask: "hello",
  params: {
    client: { kind: "extension", name: "Chromium", version: "1" },
    ...(pairingToken && { pairingToken }),
  },
});

test("a browser with a ticket is paired at once, without a hand, and once only", async () => {
  const command = await ControlStandIn.open(companion.controlSocket);
  await command.ask("hello", { client: { kind: "cli", name: "npm run browser", version: "1" } });
  const { ticket } = await command.ask("pair.ticket", {});
  const manifest = await registerHost({
    dataDir: dataDir(),
    userDataDir: profile,
    extensionId: EXTENSION,
    ticket,
  });
  const host = new Host(manifest, ORIGIN);
  host.post(hello());
  expect(await host.next()).toMatchObject({ id: 1, result: { tier: "none", browser: null } });
  const token = "1f".repeat(32);
  host.post({ id: 2, ask: "pair.begin", params: { token } }, 2);
  expect(await host.next()).toMatchObject({ id: 2, result: { words: expect.any(Array) } });
  expect(await host.next()).toEqual({ tell: "pair.settled", params: { accepted: true } });
  host.post({ ...hello(token), id: 3 });
  expect(await host.next()).toMatchObject({
    id: 3,
    result: { tier: "choose", browser: { proxyHost: "127.0.0.1" } },
  });
  expect(companion.announced).toEqual([]);

  const second = new Host(manifest, ORIGIN);
  second.post(hello());
  await second.next();
  second.post({ id: 2, ask: "pair.begin", params: { token: "2e".repeat(32) } });
  expect(await second.next()).toMatchObject({ id: 2 });
  expect(companion.announced).toHaveLength(1);
  await command.close();
});

test("what comes through the relay never passes for the command", async () => {
  const manifest = await registerHost({ dataDir: dataDir(), userDataDir: profile, extensionId: EXTENSION });
  const host = new Host(manifest, ORIGIN);
  host.post({ id: 1, ask: "hello", params: { client: { kind: "cli", name: "atlantic", version: "1" } } });
  expect(await host.next()).toMatchObject({ id: 1, result: { tier: "none" } });
  host.post({ id: 2, ask: "pair.ticket", params: {} });
  expect(await host.next()).toMatchObject({ id: 2, error: { code: "not_allowed" } });
});

test("without a companion the extension is told so, and the relay ends", async () => {
  await companion.close();
  const manifest = await registerHost({ dataDir: dataDir(), userDataDir: profile, extensionId: EXTENSION });
  const host = new Host(manifest, ORIGIN);
  expect(await host.next()).toEqual({
    tell: "link.absent",
    params: { problem: "The companion is not running: start it with npm start." },
  });
  await host.ended;
  rmSync(dataDir(), { recursive: true });
  companion = await startTestCompanion(exits.port);
});

test("the relay ends when the companion does, and when the browser hangs up", async () => {
  const manifest = await registerHost({ dataDir: dataDir(), userDataDir: profile, extensionId: EXTENSION });
  const [one, other] = [new Host(manifest, ORIGIN), new Host(manifest, ORIGIN)];
  for (const host of [one, other]) {
    host.post(hello());
    await host.next();
  }
  expect(await one.end()).toBe(0);
  await companion.close();
  await other.ended;
  companion = await startTestCompanion(exits.port);
});

test("another extension gets no connection", async () => {
  const manifest = await registerHost({ dataDir: dataDir(), userDataDir: profile, extensionId: EXTENSION });
  const host = new Host(manifest, "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba/");
  expect(await host.next()).toMatchObject({ tell: "link.absent" });
  await host.ended;
});

test("each browser's manifest stands where it looks, and the script behind it is the user's alone", async () => {
  const chromium = await registerHostForUser({ dataDir: dataDir(), extensionId: EXTENSION }, profile);
  const firefox = await registerHost({
    dataDir: dataDir(),
    userDataDir: profile,
    extensionId: "a@b.test",
    family: "firefox",
  });
  expect(chromium.length).toBeGreaterThan(1);
  expect(JSON.parse(readFileSync(firefox, "utf8"))).toMatchObject({
    name: HOST_NAME,
    type: "stdio",
    allowed_extensions: ["a@b.test"],
  });
  for (const file of chromium) {
    const { allowed_origins, path } = JSON.parse(readFileSync(file, "utf8"));
    expect(allowed_origins).toEqual([ORIGIN]);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  }
});

test("atlantic pair --register lets the user's own browser find the companion", async () => {
  const command = fileURLToPath(new URL("../../bin/atlantic.mjs", import.meta.url));
  const env = { ...process.env, HOME: profile, ATLANTIC_DATA: dataDir() };
  await promisify(execFile)(process.execPath, [command, "pair", "--register"], { env });
  const manifest = join(profile, ".config/chromium/NativeMessagingHosts", `${HOST_NAME}.json`);
  const host = new Host(manifest, `chrome-extension://${EXTENSION_ID}/`);
  host.post(hello());
  expect(await host.next()).toMatchObject({ result: { tier: "none" } });
});
