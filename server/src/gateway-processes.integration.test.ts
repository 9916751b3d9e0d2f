import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dialThroughConnect } from "@atlantic/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { startTemporaryPostgres, type TemporaryPostgres } from "./db/testing/temporary-postgres.ts";
import { parseMetrics, type ReadMetrics } from "./metrics/testing/parse-metrics.ts";
import { cookiesOf } from "./testing/temporary-server.ts";

const readySchema = z.object({
  kind: z.literal("ready"),
  webUrl: z.string(),
  signInUrl: z.string(),
  gatewayPort: z.int(),
  credential: z.object({ username: z.string(), password: z.string() }),
  demonstration: z.object({ echoAddress: z.string() }),
});
type Ready = z.infer<typeof readySchema>;

const METRICS_TOKEN = "0123456789abcdef0123456789abcdef";

let postgres: TemporaryPostgres;
let databaseUrl: string;
let directory: string;
let server: ChildProcess;
let ready: Ready;
const sockets = new Set<Socket>();

beforeAll(async () => {
  postgres = await startTemporaryPostgres();
  databaseUrl = await postgres.createDatabase();
  directory = await mkdtemp(join(tmpdir(), "atlantic-processes-"));
  ({ server, ready } = await start());
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await end("SIGINT");
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("several gateway processes", () => {
  test("share the port, and each writes what it carried", async () => {
    const before = await metrics();
    for (let count = 0; count < 40; count++) await (await openTunnel()).destroy();
    await expect
      .poll(
        async () => (await query("select count(*) from proxy_connections where closed_at is not null"))[0],
      )
      .toBe("40");
    expect(await query("select distinct gateway_id from proxy_connections")).toHaveLength(2);
    const after = await metrics();
    const carried = ["0", "1"].map((process) => ended(after, { process }) - ended(before, { process }));
    expect(Math.min(...carried)).toBeGreaterThan(0);
    expect(ended(after) - ended(before)).toBe(40);
    expect(after.sum("atlantic_gateway_up")).toBe(2);
    const measured = after.samples.filter(({ name }) => name === "process_cpu_seconds_total");
    expect(measured.map(({ labels }) => labels.process).sort()).toEqual(["0", "1", "main"]);
  });

  test("have their connections counted and ended from the web page", async () => {
    const tunnels = await Promise.all(Array.from({ length: 8 }, openTunnel));
    const api = `${ready.webUrl.replace("localhost", "127.0.0.1")}/api/v1`;
    const { username, password } = ready.credential;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    const headers = { authorization, "content-type": "application/json" };
    const open = async () => {
      const answer = await fetch(`${api}/proxy/status`, { headers });
      return z.object({ connections: z.array(z.object({ id: z.string() })) }).parse(await answer.json())
        .connections;
    };
    await expect.poll(async () => (await open()).length, { timeout: 20_000 }).toBe(8);
    const closed = tunnels.map((tunnel) => new Promise((resolve) => tunnel.resume().once("close", resolve)));
    const cookie = await signIn();
    for (const { id } of await open()) {
      const answer = await fetch(`${api}/proxy/disconnect`, {
        method: "POST",
        headers: { cookie, "content-type": "application/json", "x-atlantic-request": "1" },
        body: JSON.stringify({ connectionId: id }),
      });
      expect(await answer.json()).toEqual({ closed: 1 });
    }
    await Promise.all(closed);
    await expect.poll(async () => (await open()).length, { timeout: 20_000 }).toBe(0);
  });

  test("die one at a time: the other's tunnels live on, and the dead one comes back", async () => {
    const tunnels = await Promise.all(Array.from({ length: 20 }, openTunnel));
    const [victim] = await processes();
    if (victim === undefined) throw new Error("There is no gateway process.");
    const before = await metrics();
    process.kill(victim, "SIGKILL");
    let meanwhile = before;
    const seen = async () => {
      const [state, now] = await Promise.all([health(), metrics()]);
      meanwhile = now;
      return `${state}, ${now.sum("atlantic_gateway_up")} of 2`;
    };
    await expect.poll(seen, { timeout: 20_000 }).toBe("down, 1 of 2");
    const dead = meanwhile.sum("atlantic_gateway_up", { process: "0" }) === 0 ? "0" : "1";
    const other = { process: dead === "0" ? "1" : "0" };
    expect(meanwhile.samples.some(({ name, labels }) => name === TOTAL && labels.process === dead)).toBe(
      false,
    );
    expect(ended(meanwhile, other)).toBe(ended(before, other));
    await expect.poll(() => health(), { timeout: 20_000 }).toBe("up");
    const alive = await Promise.all(tunnels.map(answers));
    expect(alive.filter(Boolean).length).toBeGreaterThan(0);
    expect(alive.filter(Boolean).length).toBeLessThan(20);
    const another = await openTunnel();
    expect(await answers(another)).toBe(true);
    expect(await processes()).toHaveLength(2);
    const after = await metrics();
    expect(after.sum("atlantic_gateway_process_restarts_total", { process: dead })).toBe(1);
    expect(after.sum("atlantic_gateway_process_restarts_total")).toBe(1);
    expect(after.sum("atlantic_gateway_up")).toBe(2);
    for (const tunnel of [...tunnels, another]) tunnel.destroy();
  });

  test("do not share their port with strangers", async () => {
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const port = portOf(stranger);
    const said = await start({ ATLANTIC_GATEWAY_PORT: String(port) }).catch((error: Error) => error.message);
    expect(said).toContain(`Port ${port} is in use by another program`);
    stranger.close();
  });

  test("asked to end, let an open tunnel end by itself, and lose nothing of it", async () => {
    const tunnel = await openTunnel();
    expect(await answers(tunnel)).toBe(true);
    server.kill("SIGTERM");
    await expect.poll(() => refusesClients(), { timeout: 20_000 }).toBe(true);
    expect(await answers(tunnel)).toBe(true);
    const ended = once(server, "exit");
    tunnel.end();
    await ended;
    expect(server.exitCode).toBe(0);
    const [last] = await query(
      "select outcome || ' ' || requests || ' ' || (sent_bytes > 0) from proxy_connections order by opened_at desc limit 1",
    );
    expect(last).toBe("ended 1 true");
    ({ server, ready } = await start());
  });
});

async function start(more: Record<string, string> = {}): Promise<{ server: ChildProcess; ready: Ready }> {
  const child = fork(join(import.meta.dirname, "main.ts"), {
    env: {
      ...process.env,
      ATLANTIC_DATA: directory,
      ATLANTIC_WEB_PORT: "0",
      ATLANTIC_GATEWAY_PORT: "0",
      ATLANTIC_FIRST_ACCOUNT: "1",
      ATLANTIC_GATEWAY_PROCESSES: "2",
      ATLANTIC_LOG: "silent",
      ATLANTIC_METRICS_TOKEN: METRICS_TOKEN,
      DATABASE_URL: databaseUrl,
      ...more,
    },
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [message] = await once(child, "message");
  const failed = z.object({ sentence: z.string() }).safeParse(message);
  if (failed.success) throw new Error(failed.data.sentence);
  return { server: child, ready: readySchema.parse(message) };
}

async function signIn(): Promise<string> {
  const answer = await fetch(`${ready.webUrl.replace("localhost", "127.0.0.1")}/api/auth/sign-in/once`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: ready.signInUrl.split("#")[1] }),
  });
  return cookiesOf(answer);
}

async function end(signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill(signal);
  await ended;
}

async function openTunnel(): Promise<Socket> {
  const { socket } = await dialThroughConnect({
    proxy: { host: "127.0.0.1", port: ready.gatewayPort, ...ready.credential },
    target: { host: "echo.atlantic.test", port: 80 },
    timeoutMs: 10_000,
  });
  socket.on("error", () => {});
  sockets.add(socket);
  return socket;
}

/** Whether the site behind a tunnel answers. */
async function answers(tunnel: Socket): Promise<boolean> {
  if (tunnel.destroyed || tunnel.readableEnded) return false;
  const answer = new Promise<boolean>((resolve) => {
    tunnel.once("data", () => resolve(true));
    tunnel.once("close", () => resolve(false));
    tunnel.once("end", () => resolve(false));
  });
  tunnel.resume();
  tunnel.write("GET /address HTTP/1.1\r\nHost: echo.atlantic.test\r\n\r\n");
  return answer;
}

function refusesClients(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(ready.gatewayPort, "127.0.0.1");
    socket.once("error", () => resolve(true));
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
  });
}

async function health(): Promise<string> {
  const answer = await fetch(`${ready.webUrl.replace("localhost", "127.0.0.1")}/health`);
  const { parts } = z
    .object({ parts: z.object({ gateway: z.object({ state: z.string() }) }) })
    .parse(await answer.json());
  return parts.gateway.state;
}

const TOTAL = "atlantic_gateway_connections_total";

function ended(now: ReadMetrics, labels: Readonly<Record<string, string>> = {}): number {
  return now.sum(TOTAL, labels);
}

async function metrics(): Promise<ReadMetrics> {
  const answer = await fetch(`${ready.webUrl.replace("localhost", "127.0.0.1")}/metrics`, {
    headers: { authorization: `Bearer ${METRICS_TOKEN}` },
  });
  return parseMetrics(await answer.text());
}

/** The gateway processes: the children of the server. */
async function processes(): Promise<number[]> {
  const { pid } = server;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

async function query(text: string): Promise<string[]> {
  const { Client } = await import("pg");
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query({ text, rowMode: "array" });
  await client.end();
  return rows.map(([first]) => String(first));
}

function portOf(listening: Server): number {
  const address = listening.address();
  if (typeof address !== "object" || address === null) throw new Error("It does not listen on a port.");
  return address.port;
}
