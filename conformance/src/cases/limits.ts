import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, hexOf, shown } from "../finding.ts";
import { basic, OK } from "../probe.ts";
import type { Wire } from "../wire/wire.ts";

const limit = casesOf("limits", ["http"]);
const tunnelLimit = casesOf("limits", ["connect"]);
const socksLimit = casesOf("limits", ["socks5"]);
/** What any proxy may take to end a half-sent header. */
const SLOW_MS = 30_000;
const MANY_BYTES = 64 << 20;

/** Writes until the other side has taken this much, or has stopped taking for a second. @returns what was taken */
async function pour(wire: Wire, limitBytes: number): Promise<number> {
  const piece = Buffer.alloc(256 << 10, 0x61);
  let poured = 0;
  while (poured < limitBytes && wire.end === null && !wire.socket.destroyed) {
    poured += piece.length;
    if (wire.socket.write(piece)) continue;
    const drained = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), 1_000);
      wire.socket.once("drain", () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    if (!drained) return poured - wire.socket.writableLength;
  }
  return poured;
}

export const limitCases: readonly ConformanceCase[] = [
  limit(
    "header-large",
    "MUST",
    "RFC 9110 §5.4",
    "A field of a megabyte is answered with a 4xx, and the target gets nothing.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(
        `GET http://${origin.authority}/ HTTP/1.1\r\nHost: ${origin.authority}\r\n${probe.auth}X-A: ${"a".repeat(1 << 20)}\r\n\r\n`,
      );
      await client.becomes(() => client.unread.length > 0, 5_000);
      const status = /^HTTP\/1\.\d (\d+)/.exec(client.unread.toString("latin1"))?.[1] ?? "";
      expectThat(status.startsWith("4") || client.end !== null, `The answer is ${shown(client.unread)}.`);
      expectThat(origin.received === 0, "The target got it.");
    },
  ),
  limit(
    "header-many",
    "MUST",
    "RFC 9110 §5.4",
    "Ten thousand fields are answered with a 4xx, and the target gets nothing.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin, "X-A: 1\r\n".repeat(10_000)));
      await client.becomes(() => client.unread.length > 0 || origin.received > 0, 5_000);
      expectThat(origin.received === 0, "The target got it.");
      const status = /^HTTP\/1\.\d (\d+)/.exec(client.unread.toString("latin1"))?.[1] ?? "";
      expectThat(status.startsWith("4") || client.end !== null, `The answer is ${shown(client.unread)}.`);
    },
  ),
  limit(
    "header-never-ends",
    "MUST",
    "RFC 9110 §5.4",
    "A header that never ends is cut off within a few megabytes.",
    async (probe) => {
      const client = await probe.client();
      client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nX-A: ");
      const poured = await pour(client, MANY_BYTES);
      expectThat(poured < 16 << 20, `The proxy took ${poured} bytes of one field.`);
    },
  ),
  limit("uri-long", "MUST", "RFC 9112 §3", "A target of 100,000 bytes is answered 414.", async (probe) => {
    const origin = await probe.origin();
    const client = await probe.client();
    client.send(probe.get(origin, "", `/${"a".repeat(100_000)}`));
    await client.becomes(() => client.unread.length > 0 || origin.received > 0, 5_000);
    expectThat(origin.received === 0, "The target got it.");
    expectThat(
      /^HTTP\/1\.\d 414/.test(client.unread.toString("latin1")),
      `The answer is ${shown(client.unread)}.`,
    );
  }),
  limit(
    "uri-8000",
    "SHOULD",
    "RFC 9112 §3",
    "A request line of 8,000 bytes is understood.",
    async (probe) => {
      const { request } = await probe.exchange((o) =>
        probe.get(o, "", `/${"a".repeat(7_950 - o.authority.length)}`),
      );
      expectThat(request.target.length > 7_900, "It arrived shorter.");
    },
  ),
  limit(
    "header-slow",
    "MUST",
    "checklist 4.1",
    "A header that does not end within 30 s is cut off.",
    async (probe) => {
      const client = await probe.client();
      client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n");
      await client.ended((probe.subject.headerMs ?? SLOW_MS) + 3_000);
    },
  ),
  limit(
    "header-dripping",
    "MUST",
    "checklist 4.1",
    "A header that comes byte by byte has no more time than any other.",
    async (probe) => {
      const client = await probe.client();
      const limitMs = (probe.subject.headerMs ?? SLOW_MS) + 3_000;
      const drip = setInterval(() => client.end === null && client.send("X"), limitMs / 60);
      try {
        client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nX-A: ");
        await client.ended(limitMs);
      } finally {
        clearInterval(drip);
      }
    },
  ),
  limit(
    "silence",
    "MUST",
    "checklist 4.1",
    "A client that says nothing for 30 s is let go.",
    async (probe) => {
      const client = await probe.client();
      await client.ended((probe.subject.headerMs ?? SLOW_MS) + 3_000);
    },
  ),
  limit(
    "chunk-extension-flood",
    "SHOULD",
    "RFC 9112 §7.1.1",
    "Chunk extensions without end are cut off.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, "Transfer-Encoding: chunked\r\n", "1;a="));
      const poured = await pour(client, MANY_BYTES);
      expectThat(poured < 32 << 20, `The proxy took ${poured} bytes of one extension.`);
    },
  ),
  limit("trailer-flood", "SHOULD", "RFC 9110 §6.5", "Trailers without end are cut off.", async (probe) => {
    const origin = await probe.origin();
    const client = await probe.client();
    client.send(probe.post(origin, "Transfer-Encoding: chunked\r\n", "0\r\nX-T: "));
    const poured = await pour(client, MANY_BYTES);
    expectThat(poured < 32 << 20, `The proxy took ${poured} bytes of trailers.`);
  }),
  limit(
    "response-header-flood",
    "SHOULD",
    "RFC 9110 §5.4",
    "A response whose header never ends is cut off and answered with an error.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      const target = await probe.reached(origin, client);
      target.send("HTTP/1.1 200 OK\r\nX-A: ");
      const poured = await pour(target, MANY_BYTES);
      expectThat(poured < 32 << 20, `The proxy took ${poured} bytes of one field.`);
      const { status } = await client.response();
      expectThat(status >= 500, `The client got ${status}.`);
    },
  ),
  limit(
    "back-pressure-response",
    "SHOULD",
    "checklist 4.1",
    "A client that does not read holds the target back.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.socket.pause();
      client.send(probe.get(origin));
      const target = await origin.wire();
      await target.request();
      target.send(`HTTP/1.1 200 OK\r\nContent-Length: ${MANY_BYTES}\r\n\r\n`);
      const poured = await pour(target, MANY_BYTES);
      expectThat(poured < MANY_BYTES, "The proxy took all of it, to hold it in memory.");
    },
  ),
  limit(
    "back-pressure-request",
    "SHOULD",
    "checklist 4.1",
    "A target that does not read holds the client back.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, `Content-Length: ${MANY_BYTES}\r\n`));
      (await origin.wire()).socket.pause();
      const poured = await pour(client, MANY_BYTES);
      expectThat(poured < MANY_BYTES, "The proxy took all of it, to hold it in memory.");
    },
  ),
  tunnelLimit(
    "back-pressure-tunnel",
    "SHOULD",
    "checklist 4.1",
    "A client that does not read holds the target of its tunnel back.",
    async (probe) => {
      const { client, target } = await probe.tunnel();
      client.socket.pause();
      const poured = await pour(target, MANY_BYTES);
      expectThat(poured < MANY_BYTES, "The proxy took all of it, to hold it in memory.");
    },
  ),
  socksLimit(
    "socks-silence",
    "MUST",
    "checklist 4.1",
    "A SOCKS5 client that stops in its greeting is let go within 30 s.",
    async (probe) => {
      const client = await probe.socksClient();
      client.send(Buffer.from([5, 3, 2]));
      await client.ended((probe.subject.headerMs ?? SLOW_MS) + 3_000);
    },
  ),
  limit(
    "guessing",
    "MUST",
    "checklist 4.1",
    "An address that guesses passwords is slowed down: 100 wrong ones in a row are not all tried.",
    async (probe) => {
      const origin = await probe.origin();
      const statuses = new Set<number>();
      for (let count = 0; count < 100; count += 1) {
        const client = await probe.client("127.0.0.9");
        client.send(
          `GET http://${origin.authority}/ HTTP/1.1\r\nHost: ${origin.authority}\r\n${basic(`guess:${count}`)}Connection: close\r\n\r\n`,
        );
        if (!(await client.becomes(() => client.unread.length > 0, 1_000))) return;
        statuses.add((await client.response()).status);
        client.socket.destroy();
        if (statuses.has(429) || statuses.has(403)) return;
      }
      expectThat(false, `All 100 were tried: the answers are ${[...statuses].join(", ")}.`);
    },
    ["credentials"],
  ),
  limit(
    "still-serves",
    "MUST",
    "checklist 4.1",
    "A hundred half-sent headers keep nobody else waiting.",
    async (probe) => {
      const slow = await Promise.all(Array.from({ length: 100 }, () => probe.client()));
      for (const client of slow) client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: ");
      const { response } = await probe.exchange((o) => probe.get(o), OK);
      expectThat(response.status === 200, `The answer is ${response.status}, ${hexOf(response.body)}.`);
    },
  ),
];
