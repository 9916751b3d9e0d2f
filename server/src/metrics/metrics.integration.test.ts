import { once } from "node:events";
import { request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import Koa from "koa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { metricsRoute } from "../http/metrics-route.ts";
import { startTemporaryServer, type TemporaryServer } from "../testing/temporary-server.ts";
import { reconciliationMetrics } from "./server-metrics.ts";
import { parseMetrics, type ReadMetrics } from "./testing/parse-metrics.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "./text-format.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

let server: TemporaryServer;

describe("what Prometheus reads", () => {
  beforeAll(async () => {
    server = await startTemporaryServer({
      ATLANTIC_TRUSTED_PROXIES: "127.0.0.1",
      ATLANTIC_METRICS_TOKEN: TOKEN,
    });
  });
  afterAll(() => server.close());

  test("moves by exactly the connections, requests and bytes that a client has had", async () => {
    const { member, login } = await memberWithLogin();
    const before = await scrape();
    const tunnel = await openTunnel(login);
    const open = await scrape();
    expect(moved(before, open, "atlantic_gateway_open_connections", { protocol: "connect" })).toBe(1);
    const sent = "GET /address HTTP/1.1\r\nHost: echo.atlantic.test\r\nConnection: close\r\n\r\n";
    const received = await exchange(tunnel, sent);
    await forward(login);
    const last = await until((now) => now.sum("atlantic_gateway_open_connections") === 0);
    const tunnelled = { protocol: "connect", outcome: "ended" };
    expect(moved(before, last, "atlantic_gateway_connections_total", tunnelled)).toBe(1);
    expect(moved(before, last, "atlantic_gateway_connections_total", { protocol: "http" })).toBe(1);
    expect(moved(before, last, "atlantic_gateway_requests_total")).toBe(2);
    expect(moved(before, last, "atlantic_upstream_attempts_total", { result: "reached" })).toBe(2);
    expect(moved(before, last, "atlantic_gateway_errors_total")).toBe(0);
    const stored = async () => (await member.api.connections.list.query({ open: false })).connections;
    await expect.poll(async () => (await stored()).length).toBe(2);
    const [forwarded, direct] = await stored();
    expect(direct).toMatchObject({ sentBytes: String(sent.length), receivedBytes: String(received) });
    const bytes = (direction: string) => moved(before, last, "atlantic_gateway_bytes_total", { direction });
    expect(bytes("sent")).toBe(Number(direct?.sentBytes) + Number(forwarded?.sentBytes));
    expect(bytes("received")).toBe(Number(direct?.receivedBytes) + Number(forwarded?.receivedBytes));
  });

  test("counts the bytes of a tunnel while it is open, and once", async () => {
    const { login } = await memberWithLogin();
    const before = await scrape();
    const tunnel = await openTunnel(login);
    const sent = "GET /address HTTP/1.1\r\nHost: echo.atlantic.test\r\n\r\n";
    tunnel.write(sent);
    const [answer] = (await once(tunnel, "data")) as [Buffer];
    const bytes = (now: ReadMetrics, direction: string) =>
      moved(before, now, "atlantic_gateway_bytes_total", { direction });
    const during = await until((now) => bytes(now, "received") === answer.length);
    expect(bytes(during, "sent")).toBe(sent.length);
    tunnel.destroy();
    const after = await until((now) => now.sum("atlantic_gateway_open_connections") === 0);
    expect([bytes(after, "sent"), bytes(after, "received")]).toEqual([sent.length, answer.length]);
  });

  test("tells refusals by reason, whatever protocol they were told in", async () => {
    const { login } = await memberWithLogin();
    const wrong = { ...login, password: "not it" };
    const reasons = async (act: () => Promise<unknown>) => {
      const before = await scrape();
      await act();
      const after = await scrape();
      const names = ["auth", "no_login", "quota", "limits", "target", "request", "unreachable", "upstream"];
      return names.filter(
        (reason) => moved(before, after, "atlantic_gateway_errors_total", { reason }) === 1,
      );
    };
    expect(await reasons(() => refused(wrong))).toEqual(["auth"]);
    expect(await reasons(() => refusedBySocks(wrong))).toEqual(["auth"]);
    expect(await reasons(() => refused(null))).toEqual(["no_login"]);
    expect(await reasons(() => refused(login, "10.0.0.1:80"))).toEqual(["target"]);
    expect(await reasons(() => refused(login, "echo.atlantic.test:25"))).toEqual(["target"]);
    expect(await reasons(() => refused({ ...login, username: `${login.username}-cc-aq` }))).toEqual([
      "upstream",
    ]);
  });

  test("tells what metering waits for, what leases are held, and what the process costs", async () => {
    const { login } = await memberWithLogin();
    const tunnel = await openTunnel(login);
    tunnel.write("GET /address HTTP/1.1\r\nHost: echo.atlantic.test\r\n\r\n");
    await once(tunnel, "data");
    const now = await until((seen) => seen.sum("atlantic_usage_waiting_connections") === 0);
    expect(now.sum("atlantic_leases_accounts")).toBeGreaterThanOrEqual(1);
    expect(now.sum("atlantic_leases_left_bytes")).toBeGreaterThan(0);
    const since = (name: string) => Date.now() / 1_000 - now.sum(name);
    expect(since("atlantic_usage_written_timestamp_seconds")).toBeLessThan(60);
    expect(since("atlantic_leases_renewed_timestamp_seconds")).toBeLessThan(60);
    expect(now.sum("atlantic_gateway_up", { process: "main" })).toBe(1);
    expect(now.sum("process_cpu_seconds_total", { process: "main" })).toBeGreaterThan(0);
    expect(now.sum("process_resident_memory_bytes")).toBeGreaterThan(1e7);
    expect(now.sum("process_open_fds")).toBeGreaterThan(3);
    expect(now.sum("process_max_fds")).toBeGreaterThan(now.sum("process_open_fds"));
    expect(now.sum("atlantic_build_info", { node: process.versions.node })).toBe(1);
    tunnel.destroy();
  });

  test("names no person, no credential, no address and no secret", async () => {
    const { member, login } = await memberWithLogin();
    (await openTunnel(login)).destroy();
    await refused(login, "secret-target.example:25");
    const text = await (await ask({ authorization: `Bearer ${TOKEN}` })).text();
    const unsaid = [
      member.email,
      login.username,
      login.password,
      "secret-target",
      "echo.",
      "127.0.0.1",
      TOKEN,
    ];
    for (const word of unsaid) expect(text).not.toContain(word);
    const allowed = new Set(
      "process protocol outcome direction reason code upstream result state source le version node".split(
        " ",
      ),
    );
    const labels = parseMetrics(text).samples.flatMap((sample) => Object.keys(sample.labels));
    expect(labels.filter((label) => !allowed.has(label))).toEqual([]);
  });

  test("are told to nobody without the token: from this machine as little as from elsewhere", async () => {
    const wrong = [
      {},
      { authorization: "Bearer 0123456789abcdef0123456789abcdee" },
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { authorization: "Bearer" },
      { authorization: `Basic ${Buffer.from(`prometheus:${TOKEN}`).toString("base64")}` },
      { authorization: TOKEN },
      { cookie: `token=${TOKEN}` },
      { "x-forwarded-for": "127.0.0.1" },
    ];
    for (const headers of wrong) {
      const answer = await ask(headers);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer /);
      expect(await answer.text()).not.toMatch(/atlantic_|0123456789/);
    }
    expect((await fetch(`${server.url}/metrics?token=${TOKEN}`)).status).toBe(401);
  });

  test("are told to who shows it, in the format that Prometheus asks for", async () => {
    const answer = await ask({ authorization: `Bearer ${TOKEN}`, "x-forwarded-for": "203.0.113.9" });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe(METRICS_CONTENT_TYPE);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const authorization = `Bearer ${TOKEN}`;
    const posted = await fetch(`${server.url}/metrics`, { method: "POST", headers: { authorization } });
    expect(posted.status).toBe(405);
    expect(parseMetrics(await answer.text()).sum("atlantic_metrics_source_up")).toBe(5);
  });
});

test("what the last comparison of the books has found is there after the first", async () => {
  const { db, close } = await openTemporaryDatabase("pglite");
  try {
    expect(await reconciliationMetrics(db)).toEqual([]);
    for (const [day, bytes] of [
      [1, 0n],
      [2, 12_345n],
    ] as const) {
      const at = new Date(Date.UTC(2026, 10, day));
      const found = { difference_count: bytes === 0n ? 0 : 2, difference_bytes: bytes };
      const empty = { differences: "[]", providers: "[]" };
      await db
        .insertInto("reconciliations")
        .values({ at, checked_from: at, receipts: 0, ...found, ...empty })
        .execute();
    }
    const read = parseMetrics(metricsText(await reconciliationMetrics(db)));
    expect(read.sum("atlantic_usage_reconcile_delta_bytes")).toBe(12_345);
    expect(read.sum("atlantic_usage_reconcile_differences")).toBe(2);
    expect(read.sum("atlantic_usage_reconcile_timestamp_seconds")).toBe(Date.UTC(2026, 10, 2) / 1_000);
  } finally {
    await close();
  }
});

test("without a token there is nothing to read for anybody, and it says what to set", async () => {
  const read = () => Promise.reject(new Error("It was read."));
  const listening = new Koa().use(metricsRoute({ token: null, read })).listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as AddressInfo;
  for (const headers of [{}, { authorization: "Bearer " }, { authorization: `Bearer ${TOKEN}` }]) {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain("ATLANTIC_METRICS_TOKEN is not set");
  }
  listening.close();
});

interface Login {
  readonly username: string;
  readonly password: string;
}

function ask(headers: Record<string, string>): Promise<Response> {
  return fetch(`${server.url}/metrics`, { headers });
}

async function scrape(): Promise<ReadMetrics> {
  const answer = await ask({ authorization: `Bearer ${TOKEN}` });
  expect(answer.status).toBe(200);
  return parseMetrics(await answer.text());
}

async function until(is: (now: ReadMetrics) => boolean): Promise<ReadMetrics> {
  let last = await scrape();
  await expect
    .poll(async () => {
      last = await scrape();
      return is(last);
    })
    .toBe(true);
  return last;
}

function moved(before: ReadMetrics, after: ReadMetrics, name: string, labels = {}): number {
  return after.sum(name, labels) - before.sum(name, labels);
}

async function memberWithLogin() {
  const member = await server.join();
  const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
  return { member, login: { username: credential.username, password } };
}

function proxyRequest(login: Login | null, more: { method: string; path: string }) {
  const asked = request({
    ...server.gateway,
    ...more,
    agent: false,
    headers: {
      host: "echo.atlantic.test",
      ...(login && { "proxy-authorization": basic(login) }),
    },
  });
  asked.end();
  return asked;
}

function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function openTunnel(login: Login): Promise<Socket> {
  const asked = proxyRequest(login, { method: "CONNECT", path: "echo.atlantic.test:80" });
  const [response, socket] = (await once(asked, "connect")) as [{ statusCode: number }, Socket];
  expect(response.statusCode).toBe(200);
  return socket;
}

async function forward(login: Login): Promise<void> {
  const asked = proxyRequest(login, { method: "GET", path: "http://echo.atlantic.test/address" });
  const [response] = await once(asked, "response");
  response.resume();
  await once(response, "end");
}

/** Says it, and reads to the end. @returns how many bytes came back */
async function exchange(tunnel: Socket, said: string): Promise<number> {
  let received = 0;
  tunnel.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  tunnel.end(said);
  await once(tunnel, "close");
  return received;
}

async function refused(login: Login | null, path = "echo.atlantic.test:80"): Promise<void> {
  const asked = proxyRequest(login, { method: "CONNECT", path });
  const [response] = (await once(asked, "connect")) as [{ statusCode: number }, Socket];
  expect(response.statusCode).toBeGreaterThanOrEqual(400);
}

async function refusedBySocks({ username, password }: Login): Promise<void> {
  const socket = connect(server.gateway.port, server.gateway.host);
  const name = Buffer.from(username);
  const word = Buffer.from(password);
  socket.write(Buffer.from([5, 1, 2, 1, name.length, ...name, word.length, ...word]));
  let heard = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    heard = Buffer.concat([heard, bytes]);
  });
  await once(socket, "close");
  expect([...heard]).toEqual([5, 2, 1, 1]);
}
