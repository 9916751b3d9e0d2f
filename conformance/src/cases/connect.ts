import { createHash, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { basic, type Probe } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";
import type { Origin } from "../wire/origin.ts";
import type { Wire } from "../wire/wire.ts";

const connect = casesOf("connect", ["connect"]);
const CONNECT = "RFC 9110 §9.3.6";

/** Targets that CONNECT refuses; `@` is the origin's authority, `#` its port. */
const refusedTargets: readonly (readonly [id: string, must: string, target: string])[] = [
  ["no-port", "A target without a port is refused.", "127.0.0.1"],
  ["empty-port", "An empty port is refused.", "127.0.0.1:"],
  ["port-zero", "Port 0 is refused.", "127.0.0.1:0"],
  ["port-letters", "A port that is no number is refused.", "127.0.0.1:https"],
  ["port-sign", "A port with a sign is refused.", "127.0.0.1:+#"],
  ["port-hexadecimal", "A port in hexadecimal is refused.", "127.0.0.1:0x50"],
  ["empty-host", "A target without a host is refused.", ":#"],
  ["origin-form", "A path is no target.", "/"],
  ["absolute-form", "A URL is no target.", "http://@/"],
  ["path", "A path behind the authority is refused.", "@/a"],
  ["userinfo", "User information is no part of the target.", "user:word!@"],
  ["ipv6-bare", "An IPv6 address without brackets is refused.", "::1:#"],
  ["ipv6-open", "A bracket that is not closed is refused.", "[::1:#"],
  ["ipv6-zone", "A zone is no part of an address on the wire.", "[::1%25lo]:#"],
];

function fill(target: string, origin: Origin): string {
  const filled = target.replace("@", origin.authority).replace("!", "@");
  return filled.replace("#", String(origin.port));
}

async function hashOf(wire: Wire, bytes: number): Promise<string> {
  return createHash("sha256")
    .update(await wire.take(bytes, 20_000))
    .digest("hex");
}

/** Sends bytes both ways at once and compares them. */
async function carriesBoth(client: Wire, target: Wire): Promise<void> {
  const size = 2 << 20;
  const up = randomBytes(size);
  const down = randomBytes(size);
  client.send(up);
  target.send(down);
  const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  const [arrivedUp, arrivedDown] = await Promise.all([hashOf(target, size), hashOf(client, size)]);
  expectThat(arrivedUp === hash(up), "What the client sent arrived changed.");
  expectThat(arrivedDown === hash(down), "What the target sent arrived changed.");
}

/** What a tunnel of either protocol holds to, whoever opened it. */
export function tunnelCases(
  define: typeof connect,
  prefix: string,
  section: string,
  open: (probe: Probe) => Promise<{ client: Wire; target: Wire }>,
): readonly ConformanceCase[] {
  return [
    define(`${prefix}-both-ways`, "MUST", section, "Any bytes pass, both ways, unchanged.", async (probe) => {
      const { client, target } = await open(probe);
      await carriesBoth(client, target);
    }),
    define(
      `${prefix}-target-first`,
      "MUST",
      section,
      "A target that speaks first is heard.",
      async (probe) => {
        const { client, target } = await open(probe);
        target.send("220 ready\r\n");
        await client.upTo("220 ready\r\n");
      },
    ),
    define(
      `${prefix}-client-half`,
      "SHOULD",
      section,
      "A client that ends its half still gets what the target sends after that.",
      async (probe) => {
        const { client, target } = await open(probe);
        client.finish("last words");
        await target.upTo("last words");
        expectThat((await target.ended()) === "fin", "The target saw a reset instead of the end.");
        await delay(30);
        target.finish(Buffer.alloc(100_000, 1));
        await client.take(100_000);
        expectThat((await client.ended()) === "fin", "The client saw a reset instead of the end.");
      },
    ),
    define(
      `${prefix}-target-half`,
      "SHOULD",
      section,
      "A target that ends its half still gets what the client sends after that.",
      async (probe) => {
        const { client, target } = await open(probe);
        target.finish("bye");
        await client.upTo("bye");
        await client.ended();
        await delay(30);
        client.finish(Buffer.alloc(1_000, 1));
        await target.take(1_000);
      },
    ),
    define(
      `${prefix}-end-delivers-all`,
      "MUST",
      section,
      "What was sent before the end arrives before the end.",
      async (probe) => {
        const { client, target } = await open(probe);
        target.finish(Buffer.alloc(3_000_000, 7));
        await client.take(3_000_000, 10_000);
        expectThat((await client.ended()) === "fin", "The client saw a reset.");
      },
    ),
    define(
      `${prefix}-client-reset`,
      "SHOULD",
      "RFC 9293 §3.10.7",
      "A client's reset reaches the target as a reset.",
      async (probe) => {
        const { client, target } = await open(probe);
        client.send("x");
        await target.take(1);
        client.reset();
        const end = await target.ended();
        expectThat(end === "reset", "The target saw a clean end.");
      },
    ),
    define(
      `${prefix}-target-reset`,
      "SHOULD",
      "RFC 9293 §3.10.7",
      "A target's reset reaches the client as a reset.",
      async (probe) => {
        const { client, target } = await open(probe);
        client.send("x");
        await target.take(1);
        target.reset();
        const end = await client.ended();
        expectThat(end === "reset", "The client saw a clean end.");
      },
    ),
  ];
}

export const connectCases: readonly ConformanceCase[] = [
  ...tunnelCases(connect, "tunnel", CONNECT, (probe) => probe.tunnel()),
  connect(
    "tunnel-no-framing",
    "MUST",
    CONNECT,
    "A 2xx to CONNECT has neither Content-Length nor Transfer-Encoding.",
    async (probe) => {
      const { response } = await probe.tunnel();
      for (const name of ["content-length", "transfer-encoding"]) {
        expectThat(fieldOf(response, name) === undefined, `The answer has ${name}.`);
      }
    },
  ),
  connect(
    "tunnel-early-bytes",
    "MUST",
    CONNECT,
    "Bytes right behind the CONNECT are the tunnel's first.",
    async (probe) => {
      const { client, target } = await probe.tunnel("early");
      client.send("later");
      expectThat(
        (await target.take(10)).toString() === "earlylater",
        "The first bytes were lost or changed.",
      );
    },
  ),
  connect(
    "tunnel-nothing-added",
    "MUST",
    CONNECT,
    "The target gets nothing that the client did not send.",
    async (probe) => {
      const { target } = await probe.tunnel();
      await delay(50);
      expectThat(target.received === 0, `The target got ${shown(target.unread)}.`);
    },
  ),
  connect("tunnel-http-1.0", "SHOULD", CONNECT, "CONNECT of HTTP/1.0 is understood.", async (probe) => {
    const origin = await probe.origin();
    const client = await probe.client();
    client.send(probe.connectTo(origin.authority, { version: "1.0" }));
    const { status } = await client.response({ bodiless: true });
    expectThat(status === 200, `The answer is ${status}.`);
    client.send("x");
    await (await origin.wire()).take(1);
  }),
  connect(
    "tunnel-byte-by-byte",
    "MUST",
    "RFC 9112 §2.2",
    "CONNECT is understood however it is cut.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      await client.sendInPieces(`${probe.connectTo(origin.authority)}early`);
      expectThat((await client.response({ bodiless: true })).status === 200, "It was refused.");
      expectThat((await (await origin.wire()).take(5)).toString() === "early", "The first bytes were lost.");
    },
  ),
  connect(
    "tunnel-ipv6",
    "MUST",
    "RFC 3986 §3.2.2",
    "An IPv6 address in brackets is dialled.",
    async (probe) => {
      const origin = await probe.origin("::");
      const client = await probe.client();
      client.send(probe.connectTo(`[::1]:${origin.port}`));
      const { status } = await client.response({ bodiless: true });
      expectThat(status === 200, `The answer is ${status}.`);
    },
  ),
  connect(
    "tunnel-target-not-host",
    "MUST",
    "RFC 9112 §3.2.3",
    "The tunnel leads to the target in the request line, not to Host.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      const request = probe.connectTo(origin.authority).replace(/Host: [^\r]+/, "Host: 127.0.0.1:9");
      client.send(request);
      const { status } = await client.response({ bodiless: true });
      expectThat(status === 200, `The answer is ${status}.`);
      await origin.wire();
    },
  ),
  connect(
    "tunnel-length-ignored",
    "MUST",
    CONNECT,
    "CONNECT has no body: what follows a length is refused, or the tunnel's.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(`${probe.connectTo(origin.authority, { fields: "Content-Length: 5\r\n" })}hello`);
      const { status } = await client.response({ bodiless: true });
      if (status >= 400) return;
      client.send("!");
      const got = await (await origin.wire()).take(6);
      expectThat(got.toString() === "hello!", `The target got ${shown(got)}.`);
    },
  ),
  connect(
    "connect-no-host",
    "MUST",
    "RFC 9112 §3.2",
    "CONNECT of HTTP/1.1 without Host is answered 400.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refused(`CONNECT ${origin.authority} HTTP/1.1\r\n${probe.auth}\r\n`, origin, {
        statuses: [400],
      });
    },
  ),
  connect(
    "connect-port-overflow",
    "MUST",
    CONNECT,
    "A port above 65535 is refused, never taken modulo 65536.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.connectTo(`127.0.0.1:${origin.port + 65_536}`));
      const { status } = await client.response();
      expectThat(status >= 400, `The answer is ${status}.`);
      expectThat(origin.wires.length === 0, "It led to the port modulo 65536.");
    },
  ),
  ...refusedTargets.map(([id, must, target]) =>
    connect(`connect-${id}`, "MUST", CONNECT, must, async (probe) => {
      const origin = await probe.origin("::");
      const line = `CONNECT ${fill(target, origin)} HTTP/1.1\r\nHost: ${origin.authority}\r\n${probe.auth}\r\n`;
      await probe.refused(line, origin, { orClosed: true });
      expectThat(origin.wires.length === 0, "A connection to the origin was made.");
    }),
  ),
  connect(
    "connect-unreachable",
    "MUST",
    CONNECT,
    "A target that refuses connections is no 2xx.",
    async (probe) => {
      const origin = await probe.origin();
      const { authority } = origin;
      origin.close();
      const client = await probe.client();
      client.send(probe.connectTo(authority));
      await client.becomes(() => client.unread.length > 0 || client.end !== null, 8_000);
      if (client.unread.length === 0) return;
      const { status } = await client.response();
      expectThat(status >= 400, `The answer is ${status}.`);
    },
  ),
  connect(
    "connect-refused-closes",
    "SHOULD",
    "draft-ietf-httpbis-optimistic-upgrade §7",
    "After a refused CONNECT nothing on that connection is read as a request.",
    async (probe) => {
      const origin = await probe.origin();
      const gone = await probe.origin();
      const { authority } = gone;
      gone.close();
      const client = await probe.client();
      client.send(probe.connectTo(authority) + probe.get(origin, "", "/optimistic"));
      await client.becomes(() => client.unread.length > 0 || client.end !== null, 8_000);
      if (client.unread.length > 0) {
        const { status } = await client.response();
        expectThat(status >= 400, `The answer is ${status}.`);
      }
      await client.becomes(() => client.end !== null || origin.received > 0, 1_000);
      expectThat(origin.received === 0, "What was meant for the tunnel was taken for a request.");
      await client.ended();
    },
  ),
  connect(
    "connect-407",
    "MUST",
    "RFC 9110 §11.7.1",
    "CONNECT without credentials is answered 407 with Proxy-Authenticate, and nothing is dialled.",
    async (probe) => {
      const origin = await probe.origin();
      for (const fields of ["", basic("nobody:nothing")]) {
        const client = await probe.client();
        client.send(`CONNECT ${origin.authority} HTTP/1.1\r\nHost: ${origin.authority}\r\n${fields}\r\n`);
        const response = await client.response();
        expectThat(response.status === 407, `The answer is ${response.status}.`);
        const challenge = fieldOf(response, "proxy-authenticate") ?? "";
        expectThat(/^Basic realm="/i.test(challenge), `The challenge is ${shown(challenge)}.`);
      }
      expectThat(origin.wires.length === 0, "A connection to the origin was made.");
    },
    ["credentials"],
  ),
  connect(
    "connect-407-closes",
    "SHOULD",
    "draft-ietf-httpbis-optimistic-upgrade §7",
    "What a client sent behind a CONNECT that was answered 407 is never read as a request.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(
        `CONNECT ${origin.authority} HTTP/1.1\r\nHost: ${origin.authority}\r\n\r\n${probe.get(origin, "", "/optimistic")}`,
      );
      expectThat((await client.response()).status === 407, "It was not answered 407.");
      await client.becomes(() => client.end !== null || origin.received > 0, 500);
      expectThat(origin.received === 0, "What was meant for the tunnel was taken for a request.");
    },
    ["credentials"],
  ),
];
