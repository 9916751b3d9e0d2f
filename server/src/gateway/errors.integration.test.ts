import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { ProxyError, type ProxyErrorCode, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createAccount,
  type GatewayFixture,
  startGatewayFixture,
  type TestAccount,
} from "./testing/gateway-fixture.ts";
import { rawClient } from "./testing/raw-client.ts";
import { buildUpstreams, upstreamsFileSchema } from "./upstreams/configuration.ts";
import { localUpstream } from "./upstreams/local-upstream.ts";
import type { Upstream } from "./upstreams/upstream.ts";

/** Fails every dial with the code that the session's city names: rows that no peer can be made to cause at will. */
const failing: Upstream = {
  name: "failing",
  places: [],
  choose: ({ pool, city }) =>
    pool !== "failing" || city === undefined
      ? undefined
      : {
          upstream: "failing",
          country: "us",
          city,
          label: null,
          address: null,
          key: city,
          plan: () => {
            throw new ProxyError(city as ProxyErrorCode);
          },
          explain: proxyErrorOf,
        },
};

let fixture: GatewayFixture;
let spent: TestAccount;
let refusing: Server;
let provider: Upstream;
const opened: Socket[] = [];

beforeAll(async () => {
  refusing = createServer((socket) => {
    opened.push(socket);
    socket.once("data", () => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
  });
  refusing.listen(0, "127.0.0.1");
  await once(refusing, "listening");
  const address = refusing.address();
  const [built] = buildUpstreams(
    upstreamsFileSchema.parse({
      upstreams: [
        {
          kind: "generic",
          name: "provider",
          protocol: "http",
          host: "127.0.0.1",
          port: typeof address === "object" && address ? address.port : 0,
          breaker: { failures: 1_000 },
        },
      ],
    }),
  );
  if (built === undefined) throw new Error("No upstream was built.");
  provider = built;
  fixture = await startGatewayFixture({
    upstreams: [localUpstream("local", ["us", "de"]), failing, provider],
    targets: {
      allow: ["127.0.0.0/8", "203.0.113.9"],
      lookup: async (host) =>
        host === "inside.example" ? ["10.0.0.1"] : Promise.reject(new Error("no such name")),
    },
    limits: { connectionsPerCredential: 50 },
  });
  spent = await createAccount(fixture.database.db, 0n);
});
afterAll(async () => {
  await fixture.close();
  for (const socket of opened) socket.destroy();
  refusing.close();
});

interface Ask {
  readonly username?: string;
  readonly password?: string;
  readonly host?: string;
  readonly port?: number;
}

function loginOf({ username, password }: Ask): [string, string] {
  return [username ?? fixture.account.username, password ?? fixture.account.password];
}

async function overConnect(ask: Ask): Promise<{ status: number; proxyStatus: string; text: string }> {
  const client = await rawClient(fixture.gateway.port);
  const basic = Buffer.from(loginOf(ask).join(":")).toString("base64");
  const authority = `${ask.host ?? "127.0.0.1"}:${ask.port ?? 1}`;
  client.send(
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
  );
  return readAnswer(await client.ended());
}

async function overForward(ask: Ask) {
  const client = await rawClient(fixture.gateway.port);
  const basic = Buffer.from(loginOf(ask).join(":")).toString("base64");
  const authority = `${ask.host ?? "127.0.0.1"}:${ask.port ?? 1}`;
  client.send(
    `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
  );
  return readAnswer(await client.ended());
}

function readAnswer(text: string) {
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    proxyStatus: /\r\nProxy-Status: (.*)\r\n/.exec(text)?.[1] ?? "",
    text,
  };
}

/** What a SOCKS5 client is told: "authentication", or the reply code. */
async function overSocks(ask: Ask): Promise<number | "authentication"> {
  const client = await rawClient(fixture.gateway.port);
  const field = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const [username, password] = loginOf(ask);
  const port = ask.port ?? 1;
  client.send(
    Buffer.concat([
      Buffer.from([5, 1, 2, 1]),
      field(username),
      field(password),
      Buffer.from([5, 1, 0, 3]),
      field(ask.host ?? "127.0.0.1"),
      Buffer.from([port >> 8, port & 0xff]),
    ]),
  );
  await client.ended();
  const [, method, , verdict, version, code] = client.received();
  expect(method).toBe(2);
  if (verdict !== 0) return "authentication";
  expect(version).toBe(5);
  return code ?? -1;
}

const causes: readonly (readonly [ProxyErrorCode, () => Ask])[] = [
  ["bad_username", () => ({ username: `${fixture.account.username}-cc-germany` })],
  ["wrong_credentials", () => ({ password: "wrong" })],
  ["wrong_credentials", () => ({ username: "atl_nobody00" })],
  ["quota_exhausted", () => spent],
  ["forbidden_address", () => ({ host: "10.0.0.1" })],
  ["forbidden_address", () => ({ host: "inside.example" })],
  ["forbidden_port", () => ({ port: 25 })],
  ["no_exit", () => ({ username: `${fixture.account.username}-pool-local-cc-jp` })],
  ["no_exit", () => ({ username: `${fixture.account.username}-pool-nothing` })],
  ["dns_error", () => ({ host: "nowhere.example" })],
  ["connection_refused", () => ({ port: 1 })],
  ["upstream_denied", () => ({ username: `${fixture.account.username}-pool-provider` })],
];

/** What only an upstream can say. */
const fromUpstreams: readonly ProxyErrorCode[] = [
  "session_lost",
  "forbidden_target",
  "unroutable",
  "connection_terminated",
  "tls_failed",
  "upstream_failed",
  "connection_timeout",
  "internal",
];

describe.each([
  ...causes,
  ...fromUpstreams.map(
    (code) =>
      [code, () => ({ username: `${fixture.account.username}-pool-failing-cc-us-city-${code}` })] as const,
  ),
])("%s", (code, ask) => {
  const row = proxyErrors[code];

  test.each([
    ["CONNECT", overConnect],
    ["HTTP", overForward],
  ])("over %s has its status, its Proxy-Status and its sentence", async (_, send) => {
    const { status, proxyStatus, text } = await send(ask());
    expect(status).toBe(row.httpStatus);
    const word = code === "session_lost" ? "session_ip_lost" : code;
    expect(proxyStatus).toContain(`atlantic; error=${row.proxyStatus}; details="${word}`);
    expect(text).toContain(row.sentence);
    expect(text).toMatch(/X-Atlantic-Request-Id: [0-9a-f-]{36}/);
    expect(text.includes("\r\nProxy-Authenticate: Basic realm=")).toBe(status === 407);
    expect(text).not.toContain(fixture.account.password);
  });

  test("over SOCKS5 has its reply", async () => {
    expect(await overSocks(ask())).toBe(row.socks);
  });
});

describe("before and besides a target", () => {
  test("no credentials: 407 with a challenge", async () => {
    const client = await rawClient(fixture.gateway.port);
    client.send("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    const { status, text } = readAnswer(await client.ended());
    expect(status).toBe(407);
    expect(text).toContain('Proxy-Authenticate: Basic realm="Atlantic Proxy", charset="UTF-8"\r\n');
  });

  test("SOCKS5 without user name and password: no acceptable method", async () => {
    const client = await rawClient(fixture.gateway.port);
    client.send(Buffer.from([5, 1, 0]));
    await client.ended();
    expect([...client.received()]).toEqual([5, 0xff]);
  });

  test.each([
    ["BIND", [5, 2, 0, 1, 1, 1, 1, 1, 0, 80], 0x07],
    ["an unknown address type", [5, 1, 0, 9, 1, 1], 0x08],
  ])("SOCKS5 %s is refused with its own reply, a byte at a time", async (_, request, code) => {
    const client = await rawClient(fixture.gateway.port);
    const { username, password } = fixture.account;
    const bytes = Buffer.concat([
      Buffer.from([5, 2, 0, 2, 1, username.length]),
      Buffer.from(username),
      Buffer.from([password.length]),
      Buffer.from(password),
      Buffer.from(request),
    ]);
    for (const byte of bytes) {
      client.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await client.ended();
    expect([...client.received().subarray(0, 6)]).toEqual([5, 2, 1, 0, 5, code]);
  });

  test("failures are counted where the account's owner sees them", async () => {
    await fixture.usage.flush();
    const rows = await fixture.database.db
      .selectFrom("proxy_connections")
      .select(["outcome"])
      .where("user_id", "=", fixture.account.userId)
      .execute();
    expect(rows.map(({ outcome }) => outcome)).toContain("connection_refused");
    const usage = await fixture.database.db
      .selectFrom("proxy_usage")
      .select(({ fn }) => fn.sum<bigint>("failed").as("failed"))
      .where("user_id", "=", fixture.account.userId)
      .executeTakeFirstOrThrow();
    expect(Number(usage.failed)).toBe(rows.length);
  });
});
