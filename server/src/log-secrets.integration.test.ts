import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { seedPglite } from "./db/testing/pglite-template.ts";

const readySchema = z.object({
  gatewayPort: z.int(),
  webUrl: z.string(),
  signInUrl: z.string(),
  credential: z.object({ username: z.string(), password: z.string() }),
});

let directory: string;
let server: ChildProcess;
let ready: z.infer<typeof readySchema>;
let said = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-secrets-"));
  await seedPglite(join(directory, "server", "pglite"));
  server = fork(join(import.meta.dirname, "main.ts"), {
    env: {
      ...process.env,
      ATLANTIC_DATA: directory,
      ATLANTIC_WEB_PORT: "0",
      ATLANTIC_GATEWAY_PORT: "0",
      ATLANTIC_FIRST_ACCOUNT: "1",
      ATLANTIC_DRAIN_SECONDS: "0",
      ATLANTIC_LOG: "debug",
    },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [server.stdout, server.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const [message] = await once(server, "message");
  ready = readySchema.parse(message);
});
afterAll(async () => {
  server.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

test("the most talkative log names no password, no token and no address that a client asked for", async () => {
  const { username, password } = ready.credential;
  const basic = Buffer.from(`${username}:${password}`).toString("base64");
  const authorization = `Proxy-Authorization: Basic ${basic}\r\n`;
  const token = ready.signInUrl.split("#")[1] ?? "";
  const host = "Host: echo.atlantic.test\r\n";
  await say(
    `GET http://echo.atlantic.test/secret-path?key=secret-key HTTP/1.1\r\n${host}${authorization}\r\n`,
  );
  await say(
    `GET http://echo.atlantic.test/secret-path HTTP/1.1\r\n${host}${authorization}Bad Name: x\r\n\r\n`,
  );
  await say(`GET http://127.0.0.1:1/secret-path HTTP/1.1\r\nHost: 127.0.0.1:1\r\n${authorization}\r\n`);
  await say(`CONNECT echo.atlantic.test:80 HTTP/1.1\r\n${host}Proxy-Authorization: Basic ${basic}x\r\n\r\n`);
  await say(socksLogin(username, "secret-guess"));
  for (const given of [token, "secret-token"]) {
    await fetch(`${ready.webUrl}/api/auth/sign-in/once`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: given }),
    });
  }
  await fetch(`${ready.webUrl}/api/trpc/secret-procedure?input=secret-input`, {
    headers: { authorization: `Basic ${basic}` },
  });
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
  expect(said).toContain("a job was done");
  for (const secret of [password, basic, token, "secret-"]) expect(said).not.toContain(secret);
});

/** Sends this to the gateway and waits until it has answered. */
async function say(bytes: string | Buffer): Promise<void> {
  const socket = connect(ready.gatewayPort, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  await Promise.race([once(socket, "data"), once(socket, "close")]);
  socket.destroy();
}

function socksLogin(username: string, password: string): Buffer {
  const [user, pass] = [Buffer.from(username), Buffer.from(password)];
  return Buffer.concat([Buffer.from([5, 1, 2, 1, user.length]), user, Buffer.from([pass.length]), pass]);
}
