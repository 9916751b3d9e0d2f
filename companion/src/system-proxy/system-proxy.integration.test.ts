import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ControlClient } from "../control/control-client.ts";
import { type CompanionProcess, prepareCompanionProcess } from "../testing/companion-process.ts";
import { type EchoSite, startByteSite, startEchoSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { type PrivateDesktop, startPrivateDesktop } from "../testing/private-desktop.ts";
import { ProxyConnection } from "../testing/proxy-connection.ts";

const SCHEMA = "org.gnome.system.proxy";

let desktop: PrivateDesktop;
let echo: EchoSite;
let bytes: Awaited<ReturnType<typeof startByteSite>>;
let exits: ExitProxy;
let companion: CompanionProcess;
let socket: string;

beforeAll(async () => {
  desktop = await startPrivateDesktop("GNOME");
  echo = await startEchoSite();
  bytes = await startByteSite();
  exits = await startExitProxy({
    "plain.test:80": echo.port,
    "address.test:80": echo.port,
    "bytes.test:443": bytes.port,
  });
  companion = await prepareCompanionProcess(exits.port, desktop.environment);
});

beforeEach(async () => {
  exits.refuseWith = null;
  await companion.end("SIGTERM");
  await desktop.say("dconf", "reset", "-f", "/system/proxy/");
  await desktop.say("gsettings", "set", SCHEMA, "mode", "'auto'");
  await desktop.say("gsettings", "set", `${SCHEMA}.http`, "host", "'proxy.corp.example'");
  socket = (await companion.start()).controlSocket;
});

afterAll(async () => {
  await companion?.close();
  exits?.close();
  bytes?.close();
  echo?.close();
  await desktop?.close();
});

const settings = () => desktop.say("dconf", "dump", "/system/proxy/");
const record = () => join(companion.data, "companion", "system-proxy.json");

async function asking<Result>(ask: (client: ControlClient) => Promise<Result>): Promise<Result> {
  const client = await ControlClient.open(socket, "test", "1");
  return ask(client).finally(() => client.close());
}

/** @returns the port of the proxy */
async function connected(country: string, port = 0): Promise<number> {
  const wish = { exit: { country }, desktops: ["gnome" as const], port };
  return (await asking((client) => client.request("systemProxy.connect", wish))).port;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function get(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: "127.0.0.1", port, path }, async (response) => {
      let body = "";
      for await (const chunk of response.setEncoding("utf8")) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    });
    asked.on("error", reject);
    asked.end();
  });
}

const seenBy = async (port: number) => JSON.parse((await get(port, "http://plain.test/")).body).address;

/** A host and a port in SOCKS5 (RFC 1928), and what the proxy answers. */
async function socksAnswer(port: number, host: string): Promise<string> {
  const connection = await ProxyConnection.open(port);
  const name = Buffer.from(host);
  connection.socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length, ...name, 443 >> 8, 443 & 255]));
  await connection.take(2);
  const code = (await connection.take(10)).charCodeAt(1);
  const line = code === 0 ? await connection.line() : undefined;
  connection.socket.destroy();
  return line ?? `refused ${code}`;
}

test("programs of the desktop leave by the exit, by HTTP, CONNECT and SOCKS5, with no password", async () => {
  const { out } = await companion.atlantic("connect", "--system-proxy", "--exit", "de");
  expect(out).toMatch(/^The settings of GNOME lead to exit de; sites see 127\.1\.2\.\d+\.\n/);
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(out)?.[1]);
  expect(await desktop.say("gsettings", "get", `${SCHEMA}.https`, "port")).toBe(`${port}`);
  expect(await desktop.say("gsettings", "get", SCHEMA, "mode")).toBe("'manual'");
  expect(await seenBy(port)).toMatch(/^127\.1\.2\./);
  const tunnel = await ProxyConnection.open(port);
  expect((await tunnel.connect("bytes.test:443"))?.status).toBe(200);
  expect(await tunnel.line()).toMatch(/^127\.1\.2\./);
  tunnel.socket.destroy();
  expect(await socksAnswer(port, "bytes.test")).toMatch(/^127\.1\.2\./);
  const status = await asking((client) => client.request("status.get", {}));
  expect(status.systemProxy).toMatchObject({ port, exit: { country: "de" }, desktops: ["GNOME"] });
  expect(status.usage.requests).toBe(3);
});

test.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)(
  "another user's programs are cut off, over both loopback addresses",
  async () => {
    const port = await connected("de");
    const script = `
      for (const host of ["127.0.0.1", "::1"])
        require("net").connect(${port}, host)
          .on("connect", function () { this.write("GET http://plain.test/ HTTP/1.1\\r\\nHost: plain.test\\r\\n\\r\\n"); })
          .on("data", function (bytes) { console.log(host, bytes.toString().slice(0, 12)); this.destroy(); })
          .on("error", ({ code }) => console.log(host, code));`;
    const as = async (uid: number) => {
      const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], {
        uid,
        timeout: 20_000,
      });
      return stdout.trim().split("\n").sort();
    };
    expect(await as(65_534)).toEqual(["127.0.0.1 ECONNRESET", "::1 ECONNRESET"]);
    expect(await as(0)).toEqual(["127.0.0.1 HTTP/1.1 200", "::1 HTTP/1.1 200"]);
  },
);

test("chosen anew, the exit changes for everybody and open tunnels of the old one end", async () => {
  const port = await connected("de");
  const tunnel = await ProxyConnection.open(port);
  await tunnel.connect("bytes.test:443");
  const again = await connected("us", port);
  expect(again).toBe(port);
  await tunnel.ended();
  expect(await seenBy(port)).toMatch(/^127\.1\.1\./);
});

test("nobody reaches this computer or its network by it, however the address is spelled", async () => {
  const port = await connected("de");
  for (const host of ["127.0.0.1", "localhost", "192.168.1.1", "169.254.169.254", "[::1]", "printer.local"]) {
    expect((await get(port, `http://${host}:${echo.port}/`)).status).toBe(403);
    const tunnel = await ProxyConnection.open(port);
    expect((await tunnel.connect(`${host}:${echo.port}`))?.status).toBe(403);
  }
  // URL parsers make an address of these; CONNECT and SOCKS5 do not.
  expect((await get(port, "http://0x7f.1/")).status).toBe(403);
  expect(await socksAnswer(port, "127.1")).toBe("refused 2");
  expect(await socksAnswer(port, "localhost")).toBe("refused 2");
  expect(echo.seen.filter(({ url }) => url !== "/")).toEqual([]);
});

test("a page whose name was made to lead to the proxy's port gets nothing of it", async () => {
  const port = await connected("de");
  const { status, body } = await get(port, "/secrets");
  expect(status).toBe(400);
  expect(body).toContain("Nothing to see here");
});

test("an exit that refuses is an error and never a way past it", async () => {
  const port = await connected("de");
  const before = echo.seen.length;
  exits.refuseWith = 503;
  expect((await get(port, "http://plain.test/")).status).toBeGreaterThanOrEqual(500);
  expect(echo.seen).toHaveLength(before);
});

test("disconnect puts the settings back byte for byte, closes the proxy and cuts what runs through it", async () => {
  const before = await settings();
  const port = await connected("de");
  expect(await settings()).not.toBe(before);
  const tunnel = await ProxyConnection.open(port);
  await tunnel.connect("bytes.test:443");
  const { code, out } = await companion.atlantic("disconnect", "--system-proxy");
  expect({ code, out }).toEqual({ code: 0, out: "The proxy settings of GNOME are as they were.\n" });
  expect(await settings()).toBe(before);
  expect(existsSync(record())).toBe(false);
  await tunnel.ended();
  await expect(get(port, "http://plain.test/")).rejects.toThrow(/ECONNREFUSED/);
  expect((await companion.atlantic("disconnect", "--system-proxy")).out).toContain("Nothing to do");
});

test("a companion that is ended puts the settings back before it goes", async () => {
  const before = await settings();
  await connected("de");
  await companion.end("SIGTERM");
  expect(await settings()).toBe(before);
});

test("after a SIGKILL whoever comes first puts the settings back: disconnect, doctor or the next companion", async () => {
  const before = await settings();
  const restorers = [
    () => companion.atlantic("disconnect", "--system-proxy"),
    () => companion.atlantic("doctor"),
    () => companion.start(),
  ];
  for (const restore of restorers) {
    await connected("de");
    await companion.end("SIGKILL");
    expect(await settings()).not.toBe(before);
    expect(JSON.parse(readFileSync(record(), "utf8")).desktops[0].kind).toBe("gnome");
    await restore();
    expect(await settings()).toBe(before);
    expect(existsSync(record())).toBe(false);
    await companion.end("SIGKILL");
    await companion.start();
  }
});

test("what the person sets meanwhile is theirs, and is said", async () => {
  await connected("de");
  await desktop.say("gsettings", "set", SCHEMA, "mode", "'none'");
  const { out } = await companion.atlantic("disconnect", "--system-proxy");
  expect(out).toContain("Left as somebody has set it since: GNOME: mode");
  expect(await desktop.say("gsettings", "get", SCHEMA, "mode")).toBe("'none'");
  expect(await desktop.say("gsettings", "get", `${SCHEMA}.http`, "host")).toBe("'proxy.corp.example'");
});

test("what cannot be is one sentence that says what to do", async () => {
  const say = async (...words: string[]) =>
    (await companion.atlantic("connect", "--system-proxy", ...words)).err;
  expect(await say()).toContain("Say where programs leave: --exit de");
  expect(await say("--exit", "direct")).toContain("--exit takes an exit");
  expect(await say("--exit", "jp")).toContain('"jp" is no exit');
  expect(await say("--exit", "de", "--desktop", "cde")).toContain("--desktop takes gnome, kde or none");
  const taken = connect(echo.port, "127.0.0.1");
  expect(await say("--exit", "de", "--port", `${echo.port}`)).toContain("is in use");
  taken.destroy();
  expect(await settings()).toContain("mode='auto'");
  expect((await companion.atlantic("doctor")).out).toContain("ok    Desktop's proxy settings: Your own.");
});
