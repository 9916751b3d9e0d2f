import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../testing/counting-origin.ts";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { rawClient } from "../testing/raw-client.ts";
import { buildUpstreams, upstreamsFileSchema } from "../upstreams/configuration.ts";
import { exitFileSchema } from "./exit-configuration.ts";
import { type ExitServer, startExitServer } from "./exit-server.ts";

const run = promisify(execFile);
const key = randomBytes(32).toString("base64url");
const ADDRESSES = ["127.0.5.1", "127.0.5.2", "127.0.5.3"];

let origin: CountingOrigin;
let fixture: GatewayFixture;
let directory: string;
const ending: (() => unknown)[] = [];
const seen: string[] = [];

async function startExit(changes: Record<string, unknown> = {}, silentMs?: number): Promise<ExitServer> {
  const file = exitFileSchema.parse({
    key,
    addresses: ADDRESSES,
    allowTargets: ["127.0.0.1/32"],
    ...changes,
  });
  const exit = await startExitServer({
    host: "127.0.0.1",
    port: 0,
    file,
    logger: pino({ level: "silent" }),
    ...(silentMs !== undefined && { silentMs }),
  });
  ending.push(() => exit.close());
  return exit;
}

const own = (name: string, port: number, changes: Record<string, unknown> = {}) => ({
  kind: "own",
  name,
  host: "127.0.0.1",
  port,
  key,
  tls: false,
  places: [{ country: "nl", label: "Utrecht", addresses: ADDRESSES }],
  ...changes,
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-exit-"));
  origin = await startCountingOrigin((request, response) => {
    seen.push(request.socket.remoteAddress ?? "");
    response.end("hello");
  });
  const certificate = join(directory, "cert.pem");
  const certificateKey = join(directory, "key.pem");
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
    ...["-subj", "/CN=exit", "-addext", "subjectAltName=DNS:localhost"],
    ...["-keyout", certificateKey, "-out", certificate],
  ]);
  const { readFile } = await import("node:fs/promises");
  const ca = await readFile(certificate, "utf8");
  const [plain, secured, lost, narrow, impostor] = await Promise.all([
    startExit(),
    startExit({ tls: { certificate, key: certificateKey } }),
    startExit({ addresses: ["127.0.5.9"] }),
    startExit({ allowTargets: [] }),
    startImpostor(),
  ]);
  const upstreams = [
    own("plain", plain.port),
    own("secured", secured.port, { host: "localhost", tls: true, ca }),
    own("strange", secured.port, { host: "localhost", tls: true }),
    own("lost", lost.port),
    own("narrow", narrow.port),
    own("stranger", plain.port, { key: randomBytes(32).toString("base64url") }),
    own("impostor", impostor),
  ];
  fixture = await startGatewayFixture({
    upstreams: buildUpstreams(upstreamsFileSchema.parse({ upstreams })),
  });
});
afterAll(async () => {
  await fixture.close();
  await origin.close();
  for (const end of ending) await end();
  await rm(directory, { recursive: true, force: true });
});

/** Takes any flow, and cannot prove that it may. */
async function startImpostor(): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nX-Atlantic-Exit-Proof: forged\r\n\r\n"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ending.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

/** The answer to CONNECT, with the site's where there was one. */
async function through(parts: string): Promise<string> {
  const url = `http://127.0.0.1:${origin.port}/`;
  const args = ["-sS", "-p", "-i", "-m", "10", "-x", fixture.proxyUrl(parts), url];
  const { stdout } = await run("curl", args).catch((error: { stdout: string }) => error);
  return stdout;
}

describe("an exit of our own on another machine", () => {
  test.each(["plain", "secured"])(
    "%s: sites see its addresses, one for a session and any without",
    async (pool) => {
      seen.length = 0;
      for (let times = 0; times < 3; times++) expect(await through(`-pool-${pool}-sid-a`)).toContain("hello");
      expect(new Set(seen).size).toBe(1);
      expect(ADDRESSES).toContain(seen[0]);
      expect(await through(`-pool-${pool}-sid-a`)).toContain(`X-Atlantic-Exit-Address: ${seen[0]}`);
      const many = Array.from({ length: 12 }, (_, index) => through(`-pool-${pool}-cc-nl-sid-b${index}`));
      await Promise.all(many);
      expect(new Set(seen).size).toBeGreaterThan(1);
    },
  );

  test.each(["flex", "strict", "oneip"])(
    "a %s session whose address it no longer has is told so",
    async (mode) => {
      expect(await through(`-pool-lost-sid-a-mode-${mode}`)).toMatch(/502.*details="session_ip_lost"/s);
    },
  );

  test("whoever begins to ask and never ends is sent away: strangers do not take the places of gateways", async () => {
    const exit = await startExit({ maxConnections: 1 }, 100);
    const stranger = await rawClient(exit.port);
    stranger.send("CONNECT ");
    expect(await stranger.ended()).toBe("");
  });

  test("looks at the target itself, whatever its gateway thinks of it", async () => {
    expect(await through("-pool-narrow")).toMatch(/403.*details="forbidden_address/s);
  });

  test("tells what became of the target in the gateway's words", async () => {
    const port = await closedPort();
    const args = ["-sS", "-p", "-i", "-x", fixture.proxyUrl("-pool-plain"), `http://127.0.0.1:${port}/`];
    const { stdout } = await run("curl", args).catch((error: { stdout: string }) => error);
    expect(stdout).toMatch(/502.*details="connection_refused/s);
  });

  test.each([
    ["stranger", "a gateway with another key is refused by it"],
    ["impostor", "a machine without the key is refused by the gateway"],
  ])("%s: %s", async (pool) => {
    seen.length = 0;
    expect(await through(`-pool-${pool}`)).toMatch(/502.*details="upstream_denied/s);
    expect(seen).toEqual([]);
  });

  test("without a certificate that can be believed nothing is sent to it", async () => {
    expect(await through("-pool-strange")).toMatch(/502.*details="tls_failed/s);
  });
});

test("an exit is no open proxy, and answers nobody else", async () => {
  const exit = await startExit();
  const login = (text: string) => Buffer.from(text).toString("base64");
  for (const head of [
    `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${login("any:")}\r\n\r\n`,
    `GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
    "\u0005\u0001\u0000\r\n\r\n",
  ]) {
    seen.length = 0;
    const client = await rawClient(exit.port);
    client.send(Buffer.from(head, "latin1"));
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(seen).toEqual([]);
    client.socket.destroy();
  }
});

async function closedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
