import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databaseKinds } from "./db/testing/temporary-database.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "./db/testing/temporary-postgres.ts";
import { readEvents } from "./testing/read-events.ts";
import { type Member, startTemporaryServer, type TemporaryServer } from "./testing/temporary-server.ts";

let server: TemporaryServer;

describe.each(databaseKinds)("the gateway in the server on %s", (kind) => {
  let postgres: TemporaryPostgres | undefined;

  beforeAll(async () => {
    if (kind === "postgres") postgres = await startTemporaryPostgres();
    const database = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
    server = await startTemporaryServer({ ATLANTIC_TRUSTED_PROXIES: "127.0.0.1", ...database });
  });
  afterAll(async () => {
    await server.close();
    await postgres?.stop();
  });

  test("lists the demonstration's exits, marked as such", async () => {
    const member = await server.join();
    const { exits } = await member.api.exits.list.query();
    expect(
      exits.map(({ id, label, demonstration, exit }) => [id, label, demonstration, exit.country]),
    ).toEqual([
      ["de-berlin", "Berlin, Germany", true, "de"],
      ["us-new_york", "New York, United States", true, "us"],
      ["jp-tokyo", "Tokyo, Japan", true, "jp"],
    ]);
  });

  test("ready-made lines ask for the echo site, which shows the address that it sees", async () => {
    const { member } = await memberWithCredential();
    const { curlHttp, curlSocks5 } = await member.api.proxy.connect.mutate({ exit: {} });
    for (const line of [curlHttp, curlSocks5]) expect(line).toMatch(/' http:\/\/echo\.atlantic\.test\/$/);
  });

  test("a request through the gateway is in the account: its connection, its bytes, its exit; and in no other", async () => {
    const { member, username, password } = await memberWithCredential();
    const seen = await askEcho(`${username}-cc-de`, password);
    expect(seen).toMatchObject({ country: "de", demonstration: true });
    const [connection] = await settled(member);
    expect(connection).toMatchObject({
      protocol: "http",
      target: "echo.atlantic.test:80",
      exitLabel: "Berlin, Germany",
      exitAddress: seen.address,
      credentialLabel: "laptop",
      requests: 1,
    });
    const sent = connection?.sentBytes ?? "0";
    const received = connection?.receivedBytes ?? "0";
    const { month, balance } = await member.api.usage.summary.query();
    expect(month).toMatchObject({ sentBytes: sent, receivedBytes: received, requests: 1, failed: 0 });
    expect(BigInt(balance.allowanceBytes) - BigInt(balance.remainingBytes)).toBe(
      BigInt(sent) + BigInt(received),
    );
    const { exits } = await member.api.usage.byExit.query({ range: "day" });
    expect(exits).toMatchObject([
      { country: "de", label: "Germany", sentBytes: sent, receivedBytes: received, requests: 1 },
    ]);
    const other = await server.join("Mallory");
    expect((await other.api.connections.list.query({})).connections).toEqual([]);
    expect((await other.api.usage.byExit.query({ range: "day" })).exits).toEqual([]);
    expect((await other.api.usage.summary.query()).month.requests).toBe(0);
    const { points } = await member.api.usage.series.query({ range: "day" });
    expect(points.reduce((sum, point) => sum + BigInt(point.receivedBytes), 0n)).toBe(BigInt(received));
  });

  test("the live subscription says how things are, and says it again when bytes were stored", async () => {
    const { member, username, password } = await memberWithCredential();
    const stop = new AbortController();
    const events = readEvents(`${server.url}/api/trpc/usage.live`, member.headers, stop.signal);
    expect((await events.next()).value).toMatchObject({ month: { requests: 0 }, openConnections: 0 });
    await askEcho(username, password);
    expect((await events.next()).value).toMatchObject({ month: { requests: 1 } });
    stop.abort();
  });

  test("an open tunnel is shown, and ends when its owner says so, and only then", async () => {
    const { member, username, password } = await memberWithCredential();
    const other = await server.join("Mallory");
    const tunnel = await openTunnel(username, password);
    const closed = endOf(tunnel);
    const connectionId = await openConnection(member);
    await expect(other.api.proxy.disconnect.mutate({ connectionId })).rejects.toMatchObject({
      data: { code: "NOT_FOUND" },
    });
    expect(tunnel.closed).toBe(false);
    const asked = [1, 2].map(() => member.api.proxy.disconnect.mutate({ connectionId }));
    expect(await Promise.all(asked)).toContainEqual({ closed: 1 });
    expect(await Promise.all(asked)).toContainEqual({ closed: 0 });
    await closed;
    expect(await member.api.proxy.disconnect.mutate({ connectionId })).toEqual({ closed: 0 });
  });

  test.each(["rotate", "revoke"] as const)(
    "when a credential is %sd, its tunnels end and it opens no more",
    async (change) => {
      const { member, username, password, id } = await memberWithCredential();
      const tunnel = await openTunnel(username, password);
      const closed = endOf(tunnel);
      await member.api.credentials[change].mutate({ id });
      await closed;
      await expect(openTunnel(username, password)).rejects.toThrow("407");
    },
  );
});

async function memberWithCredential() {
  const member = await server.join();
  const { credential, password } = await member.api.credentials.create.mutate({ label: "laptop" });
  return { member, username: credential.username, id: credential.id, password };
}

async function askEcho(
  username: string,
  password: string,
): Promise<{ address: string; country: string | null }> {
  const asked = request({
    host: server.gateway.host,
    port: server.gateway.port,
    path: "http://echo.atlantic.test/address",
    headers: { host: "echo.atlantic.test", ...proxyAuthorization(username, password) },
    agent: false,
  });
  asked.end();
  const [response] = await once(asked, "response");
  return (await json(response)) as { address: string; country: string | null };
}

async function openTunnel(username: string, password: string): Promise<Socket> {
  const asked = request({
    host: server.gateway.host,
    port: server.gateway.port,
    method: "CONNECT",
    path: "echo.atlantic.test:80",
    headers: proxyAuthorization(username, password),
    agent: false,
  });
  asked.end();
  const answered = Promise.withResolvers<Socket>();
  asked.on("error", answered.reject);
  asked.on("response", (response) => answered.reject(new Error(String(response.statusCode))));
  asked.on("connect", (response, socket: Socket) => {
    socket.on("error", () => {});
    socket.resume();
    if (response.statusCode === 200) answered.resolve(socket);
    else answered.reject(new Error(String(response.statusCode)));
  });
  return answered.promise;
}

/** A tunnel that is cut may end with a reset: both are an end. */
function endOf(tunnel: Socket): Promise<void> {
  return new Promise((resolve) => tunnel.once("close", () => resolve()));
}

function proxyAuthorization(username: string, password: string) {
  return { "proxy-authorization": `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

/** The account's connections, once the first is closed and stored. */
async function settled(member: Member) {
  const stop = new AbortController();
  for await (const _ of readEvents(`${server.url}/api/trpc/usage.live`, member.headers, stop.signal)) {
    const { connections } = await member.api.connections.list.query({ open: false });
    if (connections.length === 0) continue;
    stop.abort();
    return connections;
  }
  return [];
}

/** The id of the account's open connection, once it is stored. */
async function openConnection(member: Member): Promise<string> {
  const stop = new AbortController();
  for await (const _ of readEvents(`${server.url}/api/trpc/usage.live`, member.headers, stop.signal)) {
    const { connections } = await member.api.proxy.status.query();
    const id = connections[0]?.id;
    if (id === undefined) continue;
    stop.abort();
    return id;
  }
  throw new Error("the subscription ended");
}
