import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DIRECT } from "@atlantic/shared/routing/route.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ControlStandIn, exitRoute, TestBrowser } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const command = fileURLToPath(new URL("../../bin/atlantic.mjs", import.meta.url));
const US = exitRoute("us");

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

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function atlantic(...words: string[]): Promise<Ended> {
  const env = { ...process.env, ATLANTIC_DATA: dirname(companion.paths.directory) };
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...words], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

test("status speaks to people, and to machines with --json", async () => {
  const browser = await TestBrowser.open(companion.controlSocket, { name: "Chromium of Ada" });
  await browser.attributed([
    { tabId: 7, site: "a.test", route: US },
    { tabId: 8, site: "b.test", route: DIRECT },
  ]);
  const words = await atlantic("status");
  expect(words).toMatchObject({ code: 0, err: "" });
  expect(words.out).toContain("Chromium of Ada");
  expect(words.out).toContain(`127.0.0.1:${companion.proxyPort}`);
  const json = JSON.parse((await atlantic("--json", "status")).out);
  expect(json.browsers).toEqual([{ id: browser.identity.id, name: "Chromium of Ada", tabs: 2, routes: 2 }]);
  await browser.control.close();
});

test("route lists the tabs, and set asks the browser, which owns its rules", async () => {
  const browser = await TestBrowser.open(companion.controlSocket);
  await browser.attributed([{ tabId: 7, site: "a.test", route: US }]);
  const asked: unknown[] = [];
  browser.control.onAsk = async (name, params) => {
    asked.push([name, params]);
    return {};
  };
  expect((await atlantic("route")).out).toMatch(/7\s+a\.test\s+exit us/);
  const set = await atlantic("route", "set", "direct", "--tab", "7");
  expect(set).toMatchObject({ code: 0, out: "Tab 7 now: direct.\n" });
  await atlantic("route", "set", "block", "--site", "A.test");
  await atlantic("route", "set", "block", "--everything");
  expect(asked).toEqual([
    ["route.set", { scope: { kind: "tab", tabId: 7 }, route: DIRECT }],
    ["route.set", { scope: { kind: "site", site: "a.test" }, route: { kind: "block" } }],
    ["route.set", { scope: { kind: "everything" }, route: { kind: "block" } }],
  ]);
  await browser.control.close();
});

test("pair answers a browser that waits, and refuses one", async () => {
  const waiting = await ControlStandIn.open(companion.controlSocket);
  waiting.tell("relay.open", { origin: "chrome-extension://test/" });
  await waiting.ask("hello", { client: { kind: "extension", name: "New", version: "1" } });
  const token = "5a".repeat(32);
  for (const option of ["--refuse", "--accept"]) {
    waiting.told.length = 0;
    const { words } = await waiting.ask("pair.begin", { token });
    const [pending] = JSON.parse((await atlantic("pair", "--json")).out);
    expect(pending).toMatchObject({ name: "New", words });
    expect((await atlantic("pair", option, pending.id)).code).toBe(0);
    expect(await waiting.notice("pair.settled")).toEqual({ accepted: option === "--accept" });
  }
  const client = { kind: "extension", name: "New", version: "1" } as const;
  expect((await waiting.ask("hello", { client, pairingToken: token })).tier).toBe("choose");
  await waiting.close();
});

test("what cannot be done is one sentence and exit code 1; what is not understood is 2", async () => {
  expect(await atlantic("rotate")).toEqual({ code: 1, out: "", err: "No route has a session now.\n" });
  const scopeless = await atlantic("route", "set", "direct");
  expect(scopeless).toMatchObject({
    code: 1,
    err: "Say for what: one of --tab N, --site NAME or --everything.\n",
  });
  expect((await atlantic("route", "set", "direct", "--everything")).err).toMatch(
    /^No browser with the extension/,
  );
  expect((await atlantic("exits")).err).toMatch(/^The server at http:\/\/127\.0\.0\.1:1 does not answer/);
  expect((await atlantic("fly")).code).toBe(2);
  const { code, out } = await atlantic("doctor");
  expect(code).toBe(1);
  expect(out).toContain("BAD   Exits");
});

test("the doctor looks at what it can where no companion runs, and says what it could not look at", async () => {
  await companion.close();
  const nothing = await atlantic("doctor");
  expect(nothing).toMatchObject({ code: 1, err: "" });
  expect(nothing.out).toContain("BAD   Companion: The companion is not running: start it with npm start.");
  expect(nothing.out).toMatch(/BAD {3}Configuration: The companion has no configuration/);
  expect(nothing.out).toMatch(/Native addon: /);
  expect(nothing.out).toMatch(/warn {2}Not looked at: Which browsers are connected/);
  const upstream = {
    kind: "gateway",
    host: "127.0.0.1",
    port: exits.port,
    username: "u",
    password: "p",
    apiUrl: "http://127.0.0.1:1",
  };
  mkdirSync(companion.paths.directory, { recursive: true });
  writeFileSync(companion.paths.config, JSON.stringify({ upstream }), { mode: 0o644 });
  chmodSync(companion.paths.config, 0o644);
  const findings: { name: string; verdict: string; remedy: string | null }[] = JSON.parse(
    (await atlantic("doctor", "--json")).out,
  );
  const verdicts = Object.fromEntries(findings.map(({ name, verdict }) => [name, verdict]));
  expect(verdicts).toMatchObject({
    Companion: "bad",
    "Way to the exits": "good",
    Exits: "bad",
    Configuration: "warning",
    "Not looked at": "warning",
  });
  rmSync(dirname(companion.paths.directory), { recursive: true });
  companion = await startTestCompanion(exits.port);
});

test("the doctor warns of passwords of upstreams that others may read, and names the command that mends it", async () => {
  const directory = join(dirname(companion.paths.directory), "server");
  const file = join(directory, "upstreams.json");
  mkdirSync(directory);
  writeFileSync(file, "{}");
  chmodSync(file, 0o644);
  expect((await atlantic("doctor")).out).toContain(`→ chmod 600 ${file}`);
  chmodSync(file, 0o600);
  expect((await atlantic("doctor")).out).toContain("ok    Upstreams of the server");
});

test("what is asked for where there is nothing of the kind is told so in one sentence", async () => {
  const own = fileURLToPath(import.meta.url);
  expect((await atlantic("verify", "receipts", own)).err).toMatch(/is no file of receipts.*\n$/);
  expect((await atlantic("doctor", "--provider", "all")).err).toMatch(/^There is no .*upstreams\.json/);
  expect((await atlantic("disconnect")).err).toMatch(/^Nothing to do: this companion runs without privilege/);
  expect((await atlantic("explain")).err).toContain("--help says more");
});

test("a user name is explained without a server too, and says that nobody was asked", async () => {
  const known = await atlantic("explain", "atl_a-cc-de+jp");
  expect(known).toMatchObject({ code: 0, err: "" });
  expect(known.out).toContain("leaves in Germany or Japan");
  expect(known.out).toMatch(/has no configuration|does not answer/);
  const wrong = await atlantic("explain", "atl_a-contry-de");
  expect(wrong.code).toBe(1);
  expect(wrong.out).toContain("      ^^^^^^\n");
  const json = JSON.parse((await atlantic("explain", "atl_a-zip-1", "--json")).out);
  expect(json).toMatchObject({ offline: true, username: { readable: false, error: { httpStatus: 400 } } });
});

test("without a companion it says how to start one", async () => {
  await companion.close();
  const { code, err } = await atlantic("status");
  expect({ code, err }).toEqual({ code: 1, err: "The companion is not running: start it with npm start.\n" });
  companion = await startTestCompanion(exits.port);
});
