import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "./testing/counting-origin.ts";
import { type GatewayFixture, startGatewayFixture } from "./testing/gateway-fixture.ts";
import { type RawClient, rawClient } from "./testing/raw-client.ts";

/** A name whose lookup waits for the test. */
const SLOW = "slow.example";

let fixture: GatewayFixture;
let origin: CountingOrigin;
let lookup = Promise.withResolvers<readonly string[]>();
let asked = Promise.withResolvers<void>();

beforeAll(async () => {
  origin = await startCountingOrigin();
  fixture = await startGatewayFixture({
    targets: {
      allow: ["127.0.0.0/8"],
      lookup: () => {
        asked.resolve();
        return lookup.promise;
      },
    },
  });
});
afterAll(async () => {
  await fixture.close();
  await origin.close();
});

function head(method: string, uri: string, connection = "close"): string {
  const { username, password } = fixture.account;
  const login = Buffer.from(`${username}-cc-de-sid-one:${password}`).toString("base64");
  return `${method} ${uri} HTTP/1.1\r\nHost: ${SLOW}\r\nConnection: ${connection}\r\nProxy-Authorization: Basic ${login}\r\n\r\n`;
}

const forward = (port: number) => head("GET", `http://${SLOW}:${port}/`);
const connect = (port: number) => head("CONNECT", `${SLOW}:${port}`);

function socks(port: number): Buffer {
  const field = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const { username, password } = fixture.account;
  const login = Buffer.concat([Buffer.from([5, 1, 2, 1]), field(username), field(password)]);
  const request = [Buffer.from([5, 1, 0, 3]), field(SLOW), Buffer.from([port >> 8, port & 0xff])];
  return Buffer.concat([login, ...request]);
}

/** Sends, and resolves once the gateway looks the name up, which then waits for `answerLookup`. */
async function waiting(bytes: string | Buffer): Promise<RawClient> {
  lookup = Promise.withResolvers();
  asked = Promise.withResolvers();
  const client = await rawClient(fixture.gateway.port);
  client.send(bytes);
  await asked.promise;
  return client;
}

const answerLookup = () => lookup.resolve(["127.0.0.1"]);

/** Everything that was sent to the gateway before has been read by it. */
async function settled(): Promise<void> {
  const client = await rawClient(fixture.gateway.port);
  client.send("GET / HTTP/1.1\r\n\r\n");
  await client.ended();
}

const noFlow = () => expect.poll(() => fixture.gateway.countOpen(), { timeout: 5_000 }).toBe(0);

test("a client that goes away while its request is decided leaves no flow, though a connection waits for it", async () => {
  const request = head("GET", `http://${SLOW}:${origin.port}/`, "keep-alive");
  const first = await waiting(request);
  answerLookup();
  await first.until((received) => received.includes("You asked for"));
  first.socket.destroy();
  await noFlow();
  const second = await waiting(request);
  second.socket.resetAndDestroy();
  await settled();
  answerLookup();
  await noFlow();
});

test.each([
  ["a forwarded request", forward],
  ["CONNECT", connect],
  ["SOCKS5", socks],
])("%s whose credential is revoked before it is connected carries nothing", async (_, wish) => {
  let carried = 0;
  const site = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", ({ length }) => {
      carried += length;
      socket.end();
    });
    socket.on("end", () => socket.end());
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const address = site.address();
  const client = await waiting(wish(typeof address === "object" && address ? address.port : 0));
  client.send("the first bytes of a tunnel");
  const { id } = await fixture.database.db
    .selectFrom("proxy_credentials")
    .select("id")
    .where("username", "=", fixture.account.username)
    .executeTakeFirstOrThrow();
  expect(fixture.gateway.disconnectCredential(id)).toBe(1);
  answerLookup();
  await client.ended();
  await noFlow();
  expect(carried).toBe(0);
  site.close();
});
