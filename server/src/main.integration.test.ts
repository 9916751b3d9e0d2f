import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seedPglite } from "./db/testing/pglite-template.ts";
import { type DatabaseKind, databaseKinds } from "./db/testing/temporary-database.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "./db/testing/temporary-postgres.ts";
import { cookiesOf } from "./testing/temporary-server.ts";

interface Ready {
  readonly kind: "ready";
  readonly webUrl: string;
  readonly gatewayPort: number;
  readonly signInUrl: string;
  readonly credential: { readonly username: string; readonly password: string };
  readonly demonstration: { readonly echoHost: string; readonly echoAddress: string };
}
interface Failed {
  readonly kind: "failed";
  readonly sentence: string;
}

let directory: string;
let postgres: TemporaryPostgres | undefined;
const children = new Set<ChildProcess>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-main-"));
});
afterEach(async () => {
  for (const child of children) await end(child, "SIGKILL");
  await postgres?.stop();
  postgres = undefined;
  await rm(directory, { recursive: true, force: true });
});

describe.each(databaseKinds)("the server's process on %s", (kind) => {
  test("tells where it is, ends cleanly when asked, and is the same after", async () => {
    const environment = await environmentFor(kind);
    const first = await start(environment);
    expect(first.ready).toMatchObject({ demonstration: { echoHost: "echo.atlantic.test" } });
    expect(await signIn(first.ready)).toBe(200);
    expect(await end(first.child, "SIGTERM")).toBe(0);
    const second = await start(environment);
    expect(second.ready.credential).toEqual(first.ready.credential);
    expect(second.ready.signInUrl).not.toBe(first.ready.signInUrl);
    expect(await signIn(second.ready)).toBe(200);
    expect(await end(second.child, "SIGTERM")).toBe(0);
  });

  test("opens again after it was killed, with sessions still good", async () => {
    const environment = await environmentFor(kind);
    const first = await start(environment);
    const account = await session(first.ready);
    await end(first.child, "SIGKILL");
    const second = await start(environment);
    const answer = await fetch(`${local(second.ready)}/api/v1/account`, { headers: { cookie: account } });
    expect(answer.status).toBe(200);
  });
});

test("what a killed server's gateway left open is closed by the next on the same directory", async () => {
  const environment = await environmentFor("pglite");
  const first = await start(environment);
  const headers = { cookie: await session(first.ready) };
  await openTunnel(first.ready);
  await until(async () => (await connections(first.ready, headers, "open=true")).length === 1);
  await end(first.child, "SIGKILL");
  const second = await start(environment);
  await until(async () => (await connections(second.ready, headers, "open=true")).length === 0);
  const [lost] = await connections(second.ready, headers, "open=false");
  expect(lost).toMatchObject({ target: "echo.atlantic.test:80", outcome: "gateway_lost" });
});

test("the very first start makes everything that later ones find", async () => {
  const environment = await environmentFor("pglite");
  await rm(join(directory, "server"), { recursive: true });
  const { child, ready } = await start(environment);
  expect(await signIn(ready)).toBe(200);
  expect(await end(child, "SIGTERM")).toBe(0);
});

test("a second server on the same data says in one sentence that the first is there", async () => {
  const environment = await environmentFor("pglite");
  await start(environment);
  expect(await failure(environment)).toMatch(
    /^Another Atlantic Proxy server \(process \d+\) is using the data in /,
  );
});

test.each([
  ["ATLANTIC_WEB_PORT", "web"],
  ["ATLANTIC_GATEWAY_PORT", "gateway"],
])("a port in use is named, with the setting to change: %s", async (setting) => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const address = blocker.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const environment = { ...(await environmentFor("pglite")), [setting]: String(port) };
  expect(await failure(environment)).toBe(
    `Port ${port} is in use by another program: end that program, or set ${setting} to another port.`,
  );
  blocker.close();
});

test.each([
  [
    "DATABASE_URL",
    "postgres://user:hunter2@127.0.0.1:1/none",
    "The database at DATABASE_URL cannot be reached",
  ],
  ["REDIS_URL", "redis://:hunter2@127.0.0.1:1", "Redis at REDIS_URL cannot be reached"],
  ["ATLANTIC_GATEWAY_PORT", "many", "ATLANTIC_GATEWAY_PORT cannot be read"],
])("what cannot be reached or read is named without its value: %s", async (setting, value, sentence) => {
  const told = await failure({ ...(await environmentFor("pglite")), [setting]: value });
  expect(told).toContain(sentence);
  expect(told).not.toContain("hunter2");
});

async function environmentFor(kind: DatabaseKind): Promise<Record<string, string>> {
  if (kind === "postgres") postgres = await startTemporaryPostgres();
  else await seedPglite(join(directory, "server", "pglite"));
  return {
    ATLANTIC_DATA: directory,
    ATLANTIC_WEB_PORT: "0",
    ATLANTIC_GATEWAY_PORT: "0",
    ATLANTIC_FIRST_ACCOUNT: "1",
    ATLANTIC_DRAIN_SECONDS: "0",
    ...(postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() }),
  };
}

async function start(environment: Record<string, string>): Promise<{ child: ChildProcess; ready: Ready }> {
  const { child, message } = await run(environment);
  if (message.kind !== "ready") throw new Error(message.sentence);
  return { child, ready: message };
}

async function failure(environment: Record<string, string>): Promise<string> {
  const { child, message } = await run(environment);
  if (child.exitCode === null) await once(child, "exit");
  expect(child.exitCode).toBe(1);
  return message.kind === "failed" ? message.sentence : "it started";
}

async function run(
  environment: Record<string, string>,
): Promise<{ child: ChildProcess; message: Ready | Failed }> {
  const child = fork(join(import.meta.dirname, "main.ts"), {
    env: { ...process.env, ...environment },
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  const [message] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => [{ kind: "failed", sentence: "it ended without a word" }]),
  ]);
  return { child, message };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
  return child.exitCode;
}

async function signIn(ready: Ready): Promise<number> {
  return (await takeLink(ready)).status;
}

async function session(ready: Ready): Promise<string> {
  return cookiesOf(await takeLink(ready));
}

async function connections(ready: Ready, headers: Record<string, string>, query: string): Promise<unknown[]> {
  const answer = await fetch(`${local(ready)}/api/v1/connections?${query}`, { headers });
  return ((await answer.json()) as { connections: unknown[] }).connections;
}

async function openTunnel({ gatewayPort, credential }: Ready): Promise<void> {
  const { username, password } = credential;
  const asked = request({
    host: "127.0.0.1",
    port: gatewayPort,
    method: "CONNECT",
    path: "echo.atlantic.test:80",
    headers: { "proxy-authorization": `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` },
  });
  asked.end();
  const [, socket] = await once(asked, "connect");
  socket.on("error", () => {});
}

/** Looks again and again until it is so: the state is another process's. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(50);
}

function takeLink(ready: Ready): Promise<Response> {
  return fetch(`${local(ready)}/api/auth/sign-in/once`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: ready.signInUrl.split("#")[1] }),
  });
}

function local(ready: Ready): string {
  return ready.webUrl.replace("localhost", "127.0.0.1");
}
