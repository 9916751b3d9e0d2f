import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, Finding, shown } from "../finding.ts";
import type { Probe } from "../probe.ts";
import { fieldOf, readRequest } from "../wire/message.ts";

const http = casesOf("http", ["http"]);
const CHUNKED = "Transfer-Encoding: chunked\r\n";

/** Chunked bodies that are none: they must not become a whole message, and the connection must end. */
const broken: readonly (readonly [id: string, section: string, must: string, body: string])[] = [
  ["hex-prefix", "RFC 9112 §7.1", "A chunk size has no 0x.", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["underscore", "RFC 9112 §7.1", "A chunk size has no underscore.", "0_5\r\nhello\r\n0\r\n\r\n"],
  ["leading-space", "RFC 9112 §7.1", "No space stands before a chunk size.", " 5\r\nhello\r\n0\r\n\r\n"],
  ["minus", "RFC 9112 §7.1", "A chunk size has no sign.", "-5\r\nhello\r\n0\r\n\r\n"],
  ["plus", "RFC 9112 §7.1", "A chunk size has no plus.", "+5\r\nhello\r\n0\r\n\r\n"],
  ["empty-size", "RFC 9112 §7.1", "A chunk has a size.", "\r\nhello\r\n0\r\n\r\n"],
  ["letters", "RFC 9112 §7.1", "A chunk size is hexadecimal.", "g\r\nhello\r\n0\r\n\r\n"],
  ["no-crlf-after", "RFC 9112 §7.1", "A chunk ends with CRLF.", "5\r\nhello0\r\n\r\n"],
  ["spill", "RFC 9112 §7.1", "A chunk is not longer than its size.", "5\r\nhello!!\r\n0\r\n\r\n"],
  ["cr-terminator", "RFC 9112 §2.2", "A bare CR does not end a size.", "5\rhello\r\n0\r\n\r\n"],
  [
    "overflow-64",
    "RFC 9112 §7.1",
    "A size above 64 bits is never taken modulo anything.",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "overflow-max",
    "RFC 9112 §7.1",
    "The largest 64-bit size is not -1.",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "overflow-32",
    "RFC 9112 §7.1",
    "A size above 32 bits is never taken modulo 2^32.",
    "100000005\r\nhello\r\n0\r\n\r\n",
  ],
];

/** Bodies that may be refused, or go on with their meaning clear. */
const mendable: readonly (readonly [id: string, section: string, must: string, body: string])[] = [
  ["size-bare-lf", "RFC 9112 §7.1", "A bare LF after a size is refused, or mended.", "5\nhello\r\n0\r\n\r\n"],
  [
    "data-bare-lf",
    "RFC 9112 §7.1",
    "A bare LF after a chunk is refused, or mended.",
    "5\r\nhello\n0\r\n\r\n",
  ],
  ["end-bare-lf", "RFC 9112 §7.1", "A bare LF at the end is refused, or mended.", "5\r\nhello\r\n0\r\n\n"],
  [
    "bare-semicolon",
    "RFC 9112 §7.1.1",
    "An extension without a name is refused, or left out.",
    "5;\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "extension-nul",
    "RFC 9110 §5.5",
    "A NUL in an extension is refused, or left out.",
    "5;a=\0\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "extension-cr",
    "RFC 9112 §2.2",
    "A bare CR in an extension is refused, or left out.",
    "5;a=\rb\r\nhello\r\n0\r\n\r\n",
  ],
  [
    "extension-lf",
    "RFC 9112 §2.2",
    "A bare LF in an extension is refused, or ends the line.",
    "5;a\nhello\r\n0\r\n\r\n",
  ],
  [
    "trailer-space-before-colon",
    "RFC 9112 §5.1",
    "A trailer with a space before its colon is refused, or left out.",
    "5\r\nhello\r\n0\r\nX-T : 1\r\n\r\n",
  ],
];

/** Bodies that every recipient must understand; each says hello. */
const valid: readonly (readonly [id: string, section: string, must: string, body: string])[] = [
  ["one", "RFC 9112 §7.1", "A body of one chunk is understood.", "5\r\nhello\r\n0\r\n\r\n"],
  [
    "many",
    "RFC 9112 §7.1",
    "A body of many chunks is understood.",
    "1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n",
  ],
  ["upper-case", "RFC 9112 §7.1", "Sizes in capitals are understood.", "00A\r\nhellohello\r\n0\r\n\r\n"],
  ["zeros", "RFC 9112 §7.1", "A last chunk of several zeros is one.", "05\r\nhello\r\n000\r\n\r\n"],
  [
    "extension",
    "RFC 9112 §7.1.1",
    "Extensions that nobody knows are ignored.",
    '5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n',
  ],
  ["trailer", "RFC 9112 §7.1.2", "A body with a trailer is understood.", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"],
];

/** What the origin has got must not be a whole request; the client must be told or cut off. */
async function neverWhole(probe: Probe, body: string): Promise<void> {
  const origin = await probe.origin();
  const client = await probe.client();
  client.send(probe.post(origin, CHUNKED, body));
  const settled = () => client.unread.length > 0 || client.end !== null;
  // What the size asks for may simply not be there yet: then ending this half shows that it never comes.
  if (!(await client.becomes(settled, 500))) client.finish();
  await client.becomes(settled);
  const got = origin.wires.find(({ received }) => received > 0);
  if (got) {
    const request = tryRead(got.unread);
    expectThat(request === undefined, `The origin got a whole request: ${shown(got.unread)}.`);
  }
  expectThat(settled(), "The client was neither told nor cut off.");
}

function tryRead(bytes: Buffer) {
  try {
    return readRequest(bytes);
  } catch (error) {
    throw new Finding(`The broken chunk went on: ${error instanceof Error ? error.message : error}`);
  }
}

export const chunkCases: readonly ConformanceCase[] = [
  ...valid.map(([id, section, must, body]) =>
    http(`chunks-${id}`, "MUST", section, must, async (probe) => {
      const { request } = await probe.exchange((o) => probe.post(o, CHUNKED, body));
      const arrived = request.body.toString("latin1");
      expectThat(/^(hello)+$/.test(arrived), `The body arrived as ${shown(request.body)}.`);
    }),
  ),
  http("chunks-empty", "MUST", "RFC 9112 §7.1", "A chunked body may be empty.", async (probe) => {
    const { request } = await probe.exchange((o) => probe.post(o, CHUNKED, "0\r\n\r\n"));
    expectThat(request.body.length === 0, "A body came of nothing.");
  }),
  http(
    "chunks-byte-by-byte",
    "MUST",
    "RFC 9112 §7.1",
    "Chunks are understood however they are cut on the wire.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, CHUNKED));
      await client.sendInPieces("3;x=y\r\nhel\r\n02\r\nlo\r\n0\r\nX-T: 1\r\n\r\n");
      const request = await (await probe.reached(origin, client)).request();
      expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
    },
  ),
  http(
    "chunks-forbidden-trailers",
    "MUST",
    "RFC 9110 §6.5.1",
    "Trailers never become header fields: framing, routing and credentials least of all.",
    async (probe) => {
      const trailers = "Content-Length: 3\r\nTransfer-Encoding: gzip\r\nHost: evil.example\r\nX-T: 1\r\n";
      const origin = await probe.origin();
      const bytes = probe.post(origin, CHUNKED, `5\r\nhello\r\n0\r\n${trailers}\r\n`);
      await probe.refusedOrClean(bytes, origin, (request) => {
        expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
        expectThat(fieldOf(request, "host") === origin.authority, "Host came from the trailers.");
        const forbidden = request.trailers.filter(([name]) => name !== "x-t").map(([name]) => name);
        expectThat(forbidden.length === 0, `These went on as trailers: ${forbidden.join(", ")}.`);
      });
    },
  ),
  http(
    "chunks-trailer-smuggles",
    "MUST",
    "RFC 9112 §7.1.2",
    "What stands in the trailer section is never a request.",
    async (probe) => {
      const origin = await probe.origin();
      const body = "0\r\nGET /smuggled HTTP/1.1\r\nX-T: 1\r\n\r\n";
      await probe.refusedOrClean(probe.post(origin, CHUNKED, body), origin, (request, target) => {
        expectThat(!request.head.includes("smuggled"), "The trailer was taken for a request.");
        expectThat(!target.unread.includes("/smuggled"), `The origin got ${shown(target.unread)}.`);
      });
    },
  ),
  ...broken.map(([id, section, must, body]) =>
    http(`chunks-${id}`, "MUST", section, must, (probe) => neverWhole(probe, body)),
  ),
  ...mendable.map(([id, section, must, body]) =>
    http(`chunks-${id}`, "MUST", section, must, async (probe) => {
      const origin = await probe.origin();
      await probe.refusedOrClean(probe.post(origin, CHUNKED, body), origin, (request) => {
        expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
      });
    }),
  ),
];
