import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "./testing/counting-origin.ts";
import { type GatewayFixture, startGatewayFixture } from "./testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "./testing/raw-client.ts";
import { buildUpstreams, upstreamsFileSchema } from "./upstreams/configuration.ts";

/** A provider whose answers to CONNECT a test chooses; null: it says nothing. */
interface FakeProvider {
  readonly port: number;
  answer: string | null;
  connects: number;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): void;
}

async function startFakeProvider(onward: () => number): Promise<FakeProvider> {
  const sockets = new Set<Socket>();
  const fake = { port: 0, answer: null as string | null, connects: 0 };
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      fake.connects += 1;
      if (fake.answer === null) return;
      socket.write(fake.answer);
      if (!fake.answer.startsWith("HTTP/1.1 200")) return void socket.end();
      const site = dial(onward(), "127.0.0.1");
      sockets.add(site);
      site.on("error", () => {});
      socket.pipe(site).pipe(socket);
    });
  };
  let server = createServer(accept);
  const listen = async () => {
    server.listen(fake.port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address === "object" && address) fake.port = address.port;
  };
  await listen();
  return Object.assign(fake, {
    async stop() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
    async start() {
      server = createServer(accept);
      await listen();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
}

let origin: CountingOrigin;
let one: FakeProvider;
let two: FakeProvider;
let fixture: GatewayFixture;
const clients: RawClient[] = [];
const OK = "HTTP/1.1 200 OK\r\n\r\n";

beforeAll(async () => {
  origin = await startCountingOrigin();
  [one, two] = await Promise.all([
    startFakeProvider(() => origin.port),
    startFakeProvider(() => origin.port),
  ]);
});
afterAll(async () => {
  for (const { socket } of clients) socket.destroy();
  await origin.close();
  one.close();
  two.close();
});

async function start(native: boolean): Promise<void> {
  const provider = (name: string, port: number) => ({
    kind: "generic",
    name,
    protocol: "http",
    host: "127.0.0.1",
    port,
    username: "us",
    password: "hunter2",
    fixedAddress: true,
    template: { username: "{username}[-cc-{country}][-sid-{session}]", password: "{password}" },
    breaker: { failures: 3, restSeconds: 0.2, longestRestSeconds: 1 },
  });
  fixture = await startGatewayFixture({
    upstreams: buildUpstreams(
      upstreamsFileSchema.parse({ upstreams: [provider("one", one.port), provider("two", two.port)] }),
    ),
    limits: { connectMs: 2_000 },
    native,
  });
}

/** The header that CONNECT is answered with. */
async function connect(parts = "", close = true): Promise<string> {
  const client = await rawClient(fixture.gateway.port);
  clients.push(client);
  const { username, password } = fixture.account;
  const authorization = Buffer.from(`${username}${parts}:${password}`).toString("base64");
  const target = `127.0.0.1:${origin.port}`;
  client.send(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${authorization}\r\n\r\n`,
  );
  const answer = await client.until((bytes) => bytes.includes("\r\n\r\n"));
  if (close) client.socket.destroy();
  return answer.toString("latin1");
}

/** Makes the first provider's circuit close again. */
async function heal(): Promise<void> {
  one.answer = OK;
  two.answer = OK;
  await expect.poll(async () => (await connect()).includes("Proxy-Status"), { timeout: 5_000 }).toBe(false);
  const before = one.connects;
  await expect
    .poll(
      async () => {
        await connect();
        return one.connects > before;
      },
      { timeout: 5_000 },
    )
    .toBe(true);
}

describe.each([
  ["natively", true],
  ["in TypeScript", false],
])("carried %s", (_how, native) => {
  beforeAll(() => start(native));
  afterAll(() => fixture.close());
  failures();
  sessions();
});

function failures(): void {
  describe("a provider that fails", () => {
    test.each([
      ["refuses our account", "HTTP/1.1 407 No\r\n\r\n", "upstream_denied"],
      ["answers nonsense", "SSH-2.0-OpenSSH\r\n\r\n", "bad_response"],
      ["could not, and does not say why", "HTTP/1.1 502 Bad Gateway\r\n\r\n", "upstream_failed"],
      ["does not answer in time", null, "upstream_timeout"],
    ])("%s: another carries the flow, and the client and the record say why", async (_, answer, code) => {
      await heal();
      one.answer = answer;
      const header = await connect();
      expect(header).toMatch(/^HTTP\/1\.1 200 /);
      expect(header).toMatch(
        new RegExp(`Proxy-Status: (one; error=[a-z_]+; details="${code}[^"]*", )+atlantic`),
      );
      expect(header).not.toContain("hunter2");
      const id = /X-Atlantic-Request-Id: (\S+)/.exec(header)?.[1] ?? "";
      await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
      await fixture.usage.flush();
      const row = await fixture.database.db
        .selectFrom("proxy_connections")
        .select([
          "upstream",
          "failed_attempts",
          "uncharged_sent_bytes",
          "uncharged_received_bytes",
          "sent_bytes",
        ])
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
      expect(row.upstream).toBe("two");
      expect(row.failed_attempts).toContainEqual({ upstream: "one", error: code });
      expect(row.uncharged_sent_bytes).toBeGreaterThan(100n);
      expect(row.uncharged_received_bytes > 0n).toBe(answer !== null);
      expect(row.sent_bytes).toBe(0n);
    });

    test("what the target did is told at once, and nobody else is asked", async () => {
      await heal();
      const before = two.connects;
      one.answer = `HTTP/1.1 502 Bad\r\nProxy-Status: atlantic; error=connection_refused; details="connection_refused"\r\n\r\n`;
      const header = await connect();
      expect(header).toMatch(/^HTTP\/1\.1 502 /);
      expect(header).toContain(
        'Proxy-Status: atlantic; error=connection_refused; details="connection_refused',
      );
      expect(two.connects).toBe(before);
    });

    test("where all fail the client hears of each, within one deadline", async () => {
      await heal();
      one.answer = null;
      two.answer = null;
      const began = performance.now();
      const header = await connect();
      expect(performance.now() - began).toBeLessThan(3_900);
      expect(header).toMatch(
        /^HTTP\/1\.1 504 .*one; error=.*, two; error=.*, atlantic; error=connection_timeout/s,
      );
    });

    test("is left alone after some failures, and found again when it is back", async () => {
      await heal();
      await one.stop();
      for (let flow = 0; flow < 3; flow++)
        expect(await connect()).toContain('details="upstream_unreachable"');
      expect(await connect()).not.toContain("Proxy-Status");
      expect(await connect("-pool-one")).toMatch(/503|502.*left alone/s);
      await one.start();
      one.answer = OK;
      const before = one.connects;
      await expect
        .poll(
          async () => {
            await connect();
            return one.connects > before;
          },
          { timeout: 5_000 },
        )
        .toBe(true);
    });
  });
}

function sessions(): void {
  describe("a session whose provider fails", () => {
    test("flex: moves, says so once, and stays where it is", async () => {
      await heal();
      expect(await connect("-cc-us-sid-moving")).not.toContain("X-Atlantic-Session-Moved");
      one.answer = "HTTP/1.1 407 No\r\n\r\n";
      const moved = await connect("-cc-us-sid-moving");
      expect(moved).toMatch(/^HTTP\/1\.1 200 .*X-Atlantic-Session-Moved: 1/s);
      one.answer = OK;
      const before = two.connects;
      const after = await connect("-cc-us-sid-moving");
      expect(after).toMatch(/^HTTP\/1\.1 200 /);
      expect(after).not.toContain("X-Atlantic-Session-Moved");
      expect(two.connects).toBe(before + 1);
    });

    test("strict: fails rather than move", async () => {
      await heal();
      expect(await connect("-cc-us-sid-staying-mode-strict")).toMatch(/^HTTP\/1\.1 200 /);
      one.answer = "HTTP/1.1 407 No\r\n\r\n";
      const before = two.connects;
      expect(await connect("-cc-us-sid-staying-mode-strict")).toMatch(/^HTTP\/1\.1 502 .*upstream_denied/s);
      expect(two.connects).toBe(before);
      one.answer = OK;
      expect(await connect("-cc-us-sid-staying-mode-strict")).toMatch(/^HTTP\/1\.1 200 /);
    });
  });
}
