import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, hexOf, shown } from "../finding.ts";
import { login, type Probe, socksConnect } from "../probe.ts";
import type { Wire } from "../wire/wire.ts";
import { tunnelCases } from "./connect.ts";

const socks = casesOf("socks5", ["socks5"]);
const GREETING = "RFC 1928 §3";
const REQUEST = "RFC 1928 §4";
const REPLY = "RFC 1928 §6";
const LOGIN = "RFC 1929 §2";
const LOOPBACK_V6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/** Sends a request that must fail, and expects one of these replies and then the end of the connection. */
async function fails(probe: Probe, request: Buffer, codes: readonly number[]): Promise<void> {
  const client = await probe.socks();
  const code = await probe.socksAsk(client, request);
  expectThat(codes.includes(code), `The reply is ${code} instead of ${codes.join(" or ")}.`);
  await client.ended();
}

/** Expects that a login is refused: a status other than 0 where there is one, and the end of the connection. */
async function loginFails(probe: Probe, bytes: Buffer): Promise<void> {
  const client = await probe.socksClient();
  client.send(Buffer.from([5, 1, 2]));
  expectThat((await client.take(2)).equals(Buffer.from([5, 2])), "User name and password were not chosen.");
  client.send(bytes);
  await client.ended();
  const [version, status] = client.unread;
  if (version === undefined) return;
  expectThat(version === 1 && status !== 0, `The login was answered ${hexOf(client.unread)}.`);
}

async function opens(probe: Probe, address: readonly number[] | string, host: string): Promise<void> {
  const origin = await probe.origin(host);
  const client = await probe.socks();
  const code = await probe.socksAsk(client, socksConnect(origin.port, address));
  expectThat(code === 0, `The reply is ${code}.`);
  client.send("x");
  await (await origin.wire()).take(1);
}

function greetingOf(probe: Probe): Buffer {
  return Buffer.from([5, 1, probe.subject.credential === null ? 0 : 2]);
}

async function closedOr(client: Wire, wanted: Buffer): Promise<void> {
  await client.ended();
  const got = client.unread;
  expectThat(got.length === 0 || got.equals(wanted), `The answer is ${hexOf(got)}.`);
}

export const socks5Cases: readonly ConformanceCase[] = [
  ...tunnelCases(socks, "socks-tunnel", "RFC 1928 §6", (probe) => probe.socksTunnel()),
  socks("greeting-chosen", "MUST", GREETING, "A method that both know is chosen.", async (probe) => {
    const client = await probe.socksClient();
    client.send(greetingOf(probe));
    const answer = await client.take(2);
    expectThat(answer.equals(Buffer.from([5, greetingOf(probe)[2] ?? 0])), `The answer is ${hexOf(answer)}.`);
  }),
  socks("greeting-among-255", "MUST", GREETING, "The right method is found among 255.", async (probe) => {
    const wanted = greetingOf(probe)[2] ?? 0;
    const methods = Array.from({ length: 255 }, (_, index) =>
      index === 254 ? wanted : 0x80 + (index % 0x7f),
    );
    const client = await probe.socksClient();
    client.send(Buffer.from([5, 255, ...methods]));
    const answer = await client.take(2);
    expectThat(answer.equals(Buffer.from([5, wanted])), `The answer is ${hexOf(answer)}.`);
  }),
  socks(
    "greeting-none-fits",
    "MUST",
    GREETING,
    "Where no method fits, the answer is 0xFF, and the connection ends.",
    async (probe) => {
      const client = await probe.socksClient();
      client.send(Buffer.from([5, 2, 0x80, 0x01]));
      const answer = await client.take(2);
      expectThat(answer.equals(Buffer.from([5, 0xff])), `The answer is ${hexOf(answer)}.`);
      await client.ended(11_000);
    },
  ),
  socks(
    "greeting-no-authentication",
    "MUST",
    GREETING,
    "A server that wants credentials takes no client that offers none.",
    async (probe) => {
      const client = await probe.socksClient();
      client.send(Buffer.from([5, 1, 0]));
      const answer = await client.take(2);
      expectThat(answer.equals(Buffer.from([5, 0xff])), `The answer is ${hexOf(answer)}.`);
    },
    ["credentials"],
  ),
  socks(
    "greeting-no-methods",
    "SHOULD",
    GREETING,
    "A greeting without methods is refused.",
    async (probe) => {
      const client = await probe.socksClient();
      client.send(Buffer.from([5, 0]));
      await closedOr(client, Buffer.from([5, 0xff]));
    },
  ),
  socks(
    "login-right",
    "MUST",
    LOGIN,
    "The right user name and password are answered 01 00.",
    async (probe) => {
      await probe.socks();
    },
    ["credentials"],
  ),
  socks(
    "login-wrong",
    "MUST",
    LOGIN,
    "A wrong password is answered with a status other than 0, and the connection ends.",
    async (probe) => {
      const username = probe.subject.credential?.username ?? "";
      await loginFails(probe, login({ username, password: "wrong" }));
    },
    ["credentials"],
  ),
  socks(
    "login-other-version",
    "MUST",
    LOGIN,
    "A login of another version is refused.",
    async (probe) => {
      const bytes = login(probe.subject.credential ?? { username: "", password: "" });
      bytes[0] = 5;
      await loginFails(probe, bytes);
    },
    ["credentials"],
  ),
  socks(
    "login-empty",
    "MUST",
    LOGIN,
    "A user name or password of no bytes is refused.",
    async (probe) => {
      await loginFails(probe, Buffer.from([1, 0, 0]));
    },
    ["credentials"],
  ),
  socks(
    "login-longest",
    "MUST",
    LOGIN,
    "A user name and a password of 255 bytes are read to their end.",
    async (probe) => {
      await loginFails(probe, login({ username: "u".repeat(255), password: "p".repeat(255) }));
    },
    ["credentials"],
  ),
  socks("request-ipv4", "MUST", REQUEST, "An IPv4 address is dialled.", (probe) =>
    opens(probe, [127, 0, 0, 1], "127.0.0.1"),
  ),
  socks(
    "request-ipv6",
    "MUST",
    REQUEST,
    "An IPv6 address is dialled.",
    (probe) => opens(probe, LOOPBACK_V6, "::"),
    ["ipv6"],
  ),
  socks("request-name", "MUST", REQUEST, "A name is resolved by the server.", (probe) =>
    opens(probe, "localhost", "::"),
  ),
  socks(
    "byte-by-byte",
    "MUST",
    "RFC 1928",
    "Greeting, login and request are understood however they are cut.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socksClient();
      await client.sendInPieces(probe.socksLogin);
      await probe.socksWelcome(client);
      await client.sendInPieces(socksConnect(origin.port));
      expectThat((await probe.socksReply(client)).code === 0, "It was refused.");
    },
  ),
  socks(
    "coalesced",
    "MUST",
    "RFC 1928",
    "Greeting, login, request and the first bytes may come in one piece.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socksClient();
      client.send(Buffer.concat([probe.socksLogin, socksConnect(origin.port), Buffer.from("early")]));
      await probe.socksWelcome(client);
      expectThat((await probe.socksReply(client)).code === 0, "It was refused.");
      expectThat((await (await origin.wire()).take(5)).toString() === "early", "The first bytes were lost.");
    },
  ),
  socks(
    "early-bytes",
    "MUST",
    REPLY,
    "Bytes sent before the reply are the tunnel's first.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socks();
      client.send(Buffer.concat([socksConnect(origin.port), Buffer.from("early")]));
      expectThat((await probe.socksReply(client)).code === 0, "It was refused.");
      client.send("later");
      const got = await (await origin.wire()).take(10);
      expectThat(got.toString() === "earlylater", `The target got ${shown(got)}.`);
    },
  ),
  socks(
    "reply-bound",
    "MUST",
    REPLY,
    "The reply to CONNECT carries the port that is bound.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socks();
      client.send(socksConnect(origin.port));
      const { bound, code } = await probe.socksReply(client);
      expectThat(code === 0, `The reply is ${code}.`);
      const port = bound.readUInt16BE(bound.length - 2);
      const { remotePort } = (await origin.wire()).socket;
      expectThat(port === remotePort, `The reply says port ${port}, the connection came from ${remotePort}.`);
    },
  ),
  socks("command-bind", "MUST", REPLY, "BIND is answered 07 where it is not offered.", async (probe) => {
    const client = await probe.socks();
    const code = await probe.socksAsk(client, socksConnect(80, [127, 0, 0, 1], 2));
    expectThat(code === 7 || code === 0, `The reply is ${code}.`);
  }),
  socks("command-unknown", "MUST", REPLY, "A command that nobody knows is answered 07.", async (probe) => {
    await fails(probe, socksConnect(80, [127, 0, 0, 1], 0x7f), [7]);
  }),
  ...[0, 2, 5, 0xff].map((kind) =>
    socks(`address-type-${kind}`, "MUST", REPLY, `Address type ${kind} is answered 08.`, async (probe) => {
      const client = await probe.socks();
      client.send(Buffer.from([5, 1, 0, kind, 127, 0, 0, 1, 0, 80]));
      const { code } = await probe.socksReply(client);
      expectThat(code === 8, `The reply is ${code}.`);
      await client.ended();
    }),
  ),
  socks(
    "request-other-version",
    "MUST",
    REQUEST,
    "A request of another version is refused.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socks();
      const request = socksConnect(origin.port);
      request[0] = 4;
      client.send(request);
      await client.ended();
      expectThat(origin.wires.length === 0, "It was dialled.");
    },
  ),
  socks(
    "unreachable",
    "SHOULD",
    REPLY,
    "A target that refuses connections is answered 05.",
    async (probe) => {
      const origin = await probe.origin();
      origin.close();
      await fails(probe, socksConnect(origin.port), [5]);
    },
  ),
  socks("no-such-name", "SHOULD", REPLY, "A name without an address is answered 04 or 01.", async (probe) => {
    await fails(probe, socksConnect(80, "no-such-name.invalid"), [4, 1, 3]);
  }),
  socks("name-empty", "MUST", REQUEST, "A name of no bytes is refused.", async (probe) => {
    const client = await probe.socks();
    client.send(Buffer.from([5, 1, 0, 3, 0, 0, 80]));
    const { code } = await probe.socksReply(client);
    expectThat(code !== 0, "It was dialled.");
  }),
  socks(
    "name-nul",
    "MUST",
    REQUEST,
    "A name with a NUL in it never leads to what stands before the NUL.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socks();
      const code = await probe.socksAsk(client, socksConnect(origin.port, "127.0.0.1\0.example"));
      expectThat(code !== 0 && origin.wires.length === 0, "It was dialled.");
    },
  ),
  socks("port-zero", "SHOULD", REQUEST, "Port 0 is refused.", async (probe) => {
    const client = await probe.socks();
    const code = await probe.socksAsk(client, socksConnect(0));
    expectThat(code !== 0, "It was dialled.");
  }),
  socks(
    "socks4",
    "SHOULD",
    GREETING,
    "SOCKS4 without credentials is refused by a server that wants them.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.socksClient();
      client.send(Buffer.from([4, 1, origin.port >> 8, origin.port & 0xff, 127, 0, 0, 1, 0]));
      await client.ended();
      expectThat(origin.wires.length === 0, "It was dialled.");
    },
    ["credentials"],
  ),
  socks(
    "udp-not-offered",
    "MUST",
    REPLY,
    "UDP ASSOCIATE is refused, or answered with a port to send datagrams to.",
    async (probe) => {
      const client = await probe.socks();
      client.send(socksConnect(0, [0, 0, 0, 0], 3));
      const { code, bound } = await probe.socksReply(client);
      const offered = code === 0 && bound.readUInt16BE(bound.length - 2) > 0;
      expectThat(code === 7 || code === 2 || offered, `The reply is ${code} with ${hexOf(bound)}.`);
    },
  ),
];
