import { createServer } from "node:net";
import { addonState, carrierEngine } from "@atlantic/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { rawClient } from "../testing/raw-client.ts";

/** The same bytes to a gateway with the native engine and to one without: the same answers, totals and outcomes. */

let native: GatewayFixture;
let plain: GatewayFixture;
let port = 0;
const origin = createServer({ allowHalfOpen: true }, (socket) => {
  let heard = "";
  socket.on("data", (bytes: Buffer) => {
    heard += bytes.toString("latin1");
  });
  socket.on("end", () => socket.end(`heard ${heard.length}`));
  socket.on("error", () => {});
});

beforeAll(async () => {
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  const address = origin.address();
  port = typeof address === "object" && address ? address.port : 0;
  [native, plain] = await Promise.all([
    startGatewayFixture({ native: true }),
    startGatewayFixture({ native: false }),
  ]);
});

afterAll(async () => {
  await native?.close();
  await plain?.close();
  origin.close();
});

test("the engine is there when the addon is", () => {
  expect(carrierEngine() === null).toBe(
    addonState().kind !== "loaded" || process.env.ATLANTIC_NATIVE === "off",
  );
});

interface Said {
  readonly fixture: GatewayFixture;
  readonly target: string;
}

const basic = ({ account }: GatewayFixture, parts = "-cc-us", password = account.password) =>
  `Proxy-Authorization: Basic ${Buffer.from(`${account.username}${parts}:${password}`).toString("base64")}\r\n`;

const connect = (target: string, fields: string) =>
  `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${fields}\r\n`;

function socks({ fixture }: Said, request: readonly number[], password = fixture.account.password): Buffer {
  const [user, secret] = [Buffer.from(`${fixture.account.username}-cc-us`), Buffer.from(password)];
  const login = [1, user.length, ...user, secret.length, ...secret];
  return Buffer.from([5, 1, 2, ...login, ...request]);
}

const loopback = () => [1, 127, 0, 0, 1, port >> 8, port & 0xff];

const cases: Record<string, (said: Said) => string | Buffer> = {
  "CONNECT with early data": ({ fixture, target }) => `${connect(target, basic(fixture))}early`,
  "CONNECT over HTTP/1.0": ({ fixture, target }) => `CONNECT ${target} HTTP/1.0\r\n${basic(fixture)}\r\nx`,
  "CONNECT without a login": ({ target }) => connect(target, ""),
  "CONNECT with a wrong password": ({ fixture, target }) => connect(target, basic(fixture, "", "wrong")),
  "CONNECT with a bad user name": ({ fixture, target }) => connect(target, basic(fixture, "-cc-zz-x")),
  "CONNECT to a closed port": ({ fixture }) => connect("127.0.0.1:1", basic(fixture)),
  "CONNECT to a port for mail": ({ fixture }) => connect("127.0.0.1:25", basic(fixture)),
  "CONNECT to a link-local address": ({ fixture }) => connect("169.254.169.254:80", basic(fixture)),
  "CONNECT with an option field": ({ fixture, target }) =>
    `${connect(target, `${basic(fixture, "")}X-Atlantic-Country: de\r\n`)}hello`,
  "CONNECT with an option that is none": ({ fixture, target }) =>
    connect(target, `${basic(fixture)}X-Atlantic-Planet: mars\r\n`),
  "CONNECT without a port": ({ fixture }) => connect("127.0.0.1", basic(fixture)),
  "CONNECT with two Host fields": ({ fixture, target }) =>
    connect(target, `Host: ${target}\r\n${basic(fixture)}`),
  "a bare LF": ({ target }) => `CONNECT ${target} HTTP/1.1\nHost: x\n\n`,
  "half a header and FIN": () => "CONNECT 127.0.0.1:80 HTT",
  SOCKS4: () => Buffer.from([4, 1, 0, 80, 127, 0, 0, 1, 0]),
  "SOCKS5 with early data": (said) =>
    Buffer.concat([socks(said, [5, 1, 0, ...loopback()]), Buffer.from("early")]),
  "SOCKS5 with a wrong password": (said) => socks(said, [5, 1, 0, ...loopback()], "wrong"),
  "SOCKS5 without a method": () => Buffer.from([5, 1, 0]),
  "SOCKS5 BIND": (said) => socks(said, [5, 2, 0, ...loopback()]),
  "SOCKS5 to a closed port": (said) => socks(said, [5, 1, 0, 1, 127, 0, 0, 1, 0, 1]),
  "SOCKS5 with an unknown address type": (said) => socks(said, [5, 1, 0, 9, 1, 2]),
};

test.each(Object.entries(cases))("%s is answered the same through both doors", async (_, said) => {
  const [one, other] = await Promise.all([native, plain].map((fixture) => answerOf(fixture, said)));
  expect(one).toEqual(other);
});

/** What comes back, without what differs from one to the next, and what is known of the flows afterwards. */
async function answerOf(fixture: GatewayFixture, said: (said: Said) => string | Buffer) {
  const known = new Set((await flowsOf(fixture)).map(({ id }) => id));
  const client = await rawClient(fixture.gateway.port);
  client.socket.end(said({ fixture, target: `127.0.0.1:${port}` }));
  const answer = (await client.ended())
    .replace(/X-Atlantic-Request-Id: .*/g, "id")
    .replace(/Date: .*/g, "date")
    .replace(/127\.1\.\d+\.\d+/g, "exit")
    // SOCKS5: the address and port that the exit's connection is bound to.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are bytes
    .replace(/\x05\x00\x00\x01\x7f[\s\S]{5}/g, "bound");
  await expect.poll(() => fixture.gateway.countOpen(), { interval: 5 }).toBe(0);
  await fixture.usage.flush();
  const flows = (await flowsOf(fixture)).filter(({ id }) => !known.has(id)).map(({ id: _, ...rest }) => rest);
  return { answer, flows };
}

function flowsOf(fixture: GatewayFixture) {
  return fixture.database.db
    .selectFrom("proxy_connections")
    .select(["id", "protocol", "target_host", "sent_bytes", "received_bytes", "requests", "outcome"])
    .execute();
}
