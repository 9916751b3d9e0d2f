import { execFile } from "node:child_process";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../testing/counting-origin.ts";
import { startCountingRelay } from "../testing/counting-relay.ts";
import { keptUsage } from "../testing/kept-usage.ts";
import { startTlsFixture, type TlsFixture } from "../testing/tls-fixture.ts";
import { selfSignedCertificate } from "./self-signed.ts";

const run = promisify(execFile);
const usage = keptUsage();
const sentences: string[] = [];
const logger = pino(
  { level: "info" },
  { write: (line: string) => void sentences.push(JSON.parse(line).msg) },
);
let fixture: TlsFixture;
let origin: CountingOrigin;

beforeAll(async () => {
  [fixture, origin] = await Promise.all([
    startTlsFixture({ usage, logger, limits: { headerMs: 2_500 }, tls: { watchMs: 40 } }),
    startCountingOrigin(),
  ]);
});

afterAll(async () => {
  await fixture.close();
  await origin.close();
});

/** Node takes it for TLS as well, though its types do not say so. */
const HALF_OPEN = { allowHalfOpen: true };

async function client(options: Partial<ConnectionOptions> = {}): Promise<TLSSocket> {
  const all: ConnectionOptions = {
    port: fixture.tlsPort,
    host: "127.0.0.1",
    ca: fixture.ca,
    servername: "localhost",
    ...HALF_OPEN,
    ...options,
  };
  const socket = connectTls(all);
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

async function untilText(socket: Socket, end: string): Promise<string> {
  let text = "";
  while (!text.endsWith(end)) {
    const [chunk] = await once(socket, "data");
    text += chunk.toString("latin1");
  }
  return text;
}

function connectHead(authority: string): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: ${fixture.authorization}\r\n\r\n`;
}

async function curl(...args: string[]): Promise<string> {
  const { username, password } = fixture.account;
  const proxy = `https://${username}:${password}@localhost:${fixture.tlsPort}`;
  const all = ["-sS", "--proxy-cacert", fixture.files.certificate, "-x", proxy, ...args];
  return (await run("curl", all)).stdout;
}

describe("the TLS port", () => {
  test("forwards and tunnels for curl as the plain port does", async () => {
    expect(await curl(`${origin.url}/one`)).toBe("You asked for /one");
    expect(await curl("-p", `${origin.url}/two`, `${origin.url}/three`)).toContain("You asked for /three");
  });

  test("speaks SOCKS5 inside TLS", async () => {
    const socket = await client();
    const { username, password } = fixture.account;
    socket.write(Buffer.from([5, 1, 2]));
    expect((await once(socket, "data"))[0]).toEqual(Buffer.from([5, 2]));
    socket.write(Buffer.from([1, username.length]));
    socket.write(username);
    socket.write(Buffer.from([password.length]));
    socket.write(password);
    expect((await once(socket, "data"))[0]).toEqual(Buffer.from([1, 0]));
    socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, origin.port >> 8, origin.port & 0xff]));
    expect((await once(socket, "data"))[0].subarray(0, 2)).toEqual(Buffer.from([5, 0]));
    socket.write("GET /socks HTTP/1.0\r\n\r\n");
    expect(await untilText(socket, "/socks")).toContain("You asked for /socks");
    socket.destroy();
  });

  test("wants TLS 1.2 at least, takes what ALPN offers, and ignores the name that is asked for", async () => {
    await expect(
      client({ minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
    ).rejects.toThrow();
    for (const [options, protocol] of [
      [{ ALPNProtocols: ["h2", "http/1.1"] }, "h2"],
      [{ ALPNProtocols: ["http/1.1"] }, "http/1.1"],
      [{ maxVersion: "TLSv1.2" }, false],
    ] as const) {
      const socket = await client({
        ...options,
        ALPNProtocols: [...(("ALPNProtocols" in options && options.ALPNProtocols) || [])],
      });
      expect(socket.alpnProtocol).toBe(protocol);
      socket.destroy();
    }
    const other = await client({ servername: "elsewhere.test", checkServerIdentity: () => undefined });
    expect(other.getPeerCertificate().fingerprint256).toBe(fixture.gateway.tls?.fingerprint);
    other.destroy();
  });

  test.each([
    ["GET", "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n"],
    ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"],
    ["OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n"],
  ])(
    "tells who speaks plain HTTP to it (%s) that it speaks TLS, opens nothing, and closes",
    async (_, head) => {
      const before = origin.counted().connections;
      const socket = connectTcp({ port: fixture.tlsPort, host: "127.0.0.1", ...HALF_OPEN });
      socket.write(head.replaceAll("example.com:443", `127.0.0.1:${origin.port}`));
      const answer = await text(socket);
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n(.+\r\n)*Connection: close\r\n/);
      expect(answer).toContain("This port speaks TLS");
      expect(origin.counted().connections).toBe(before);
      socket.destroy();
    },
  );

  test("keeps no place for those who spoke plain HTTP, more of them than may shake hands at once", async () => {
    for (let count = 0; count < 70; count++) {
      const socket = connectTcp({ port: fixture.tlsPort, host: "127.0.0.1", ...HALF_OPEN });
      socket.write("GET / HTTP/1.1\r\n\r\n");
      expect(await text(socket)).toContain("This port speaks TLS");
      socket.end();
    }
    (await client()).destroy();
  });

  test("says nothing to what is neither TLS nor HTTP", async () => {
    const socket = connectTcp({ port: fixture.tlsPort, host: "127.0.0.1", ...HALF_OPEN });
    socket.on("error", () => {});
    socket.write("\x00\x01\x02 nothing that anybody speaks\r\n\r\n");
    expect(await text(socket).catch(() => "")).not.toContain("HTTP/");
    socket.destroy();
  });

  test("resumes a session by its ticket", async () => {
    const first = await client({ maxVersion: "TLSv1.2" });
    const session = first.getSession();
    first.destroy();
    const second = await client({ maxVersion: "TLSv1.2", ...(session && { session }) });
    expect(second.isSessionReused()).toBe(true);
    second.destroy();
  });

  test("passes each half's end on, and a break as a break", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        if (chunk.toString() === "break") socket.resetAndDestroy();
      });
      socket.on("end", () => socket.end("after your end"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const authority = `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    const whole = await client();
    whole.write(connectHead(authority));
    await untilText(whole, "\r\n\r\n");
    whole.end();
    expect(await untilText(whole, "end")).toBe("after your end");
    const broken = await client();
    const problem = once(broken, "error");
    broken.write(connectHead(authority));
    await untilText(broken, "\r\n\r\n");
    broken.write("break");
    expect((await problem)[0]).toMatchObject({ code: "ECONNRESET" });
    server.close();
  });

  test("ends a handshake that does not come", async () => {
    const silent = connectTcp(fixture.tlsPort, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent.resume(), "close");
    (await client()).destroy();
  });

  test("counts TLS bytes apart, to the byte", async () => {
    const relay = await startCountingRelay(fixture.tlsPort);
    const before = usage.connections.length;
    const socket = await client({ port: relay.port });
    socket.write(connectHead(`127.0.0.1:${origin.port}`));
    await untilText(socket, "\r\n\r\n");
    const body = Buffer.alloc(300_000, "b");
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
    socket.end(body);
    socket.resume();
    await once(socket, "close");
    const flow = usage.connections[before];
    while (flow?.end === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    const decrypted = socket.bytesRead + socket.bytesWritten;
    expect(decrypted).toBeGreaterThan(600_000);
    expect(flow.totals().tlsBytes).toBe(relay.counted() - decrypted);
    relay.close();
  });

  test("takes a renewed certificate without a cut, and keeps the good one when a bad one comes", async () => {
    const tunnel = await client();
    tunnel.write(connectHead(`127.0.0.1:${origin.port}`));
    await untilText(tunnel, "\r\n\r\n");
    const before = fixture.gateway.tls?.fingerprint;
    const replace = async (file: string, text: string) => {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    };
    const { certificate, key } = selfSignedCertificate(["localhost"], { from: new Date(), days: 2 });
    await replace(fixture.files.certificate, certificate);
    await replace(fixture.files.key, key);
    while (fixture.gateway.tls?.fingerprint === before)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const renewed = fixture.gateway.tls?.fingerprint;
    await replace(fixture.files.key, selfSignedCertificate(["x"], { from: new Date(), days: 2 }).key);
    const problems = () => sentences.filter((sentence) => sentence.includes("stays in use"));
    while (problems().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const fresh = await client({ ca: certificate });
    expect(fresh.getPeerCertificate().fingerprint256).toBe(renewed);
    fresh.destroy();
    tunnel.write("GET /still HTTP/1.0\r\n\r\n");
    expect(await untilText(tunnel, "/still")).toContain("You asked for /still");
    expect(problems()).toHaveLength(1);
    expect(problems()[0]).toContain("give the two files of one pair");
    tunnel.destroy();
  });
});
