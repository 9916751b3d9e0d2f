import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { OK, type Probe } from "../probe.ts";
import { fieldOf, type Request } from "../wire/message.ts";

const http = casesOf("http", ["http"]);

/** What follows an ambiguous body: were it ever read as a request, the origin would see it. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/** Lengths that are none: 400, and the connection closed. */
const badLengths: readonly (readonly [id: string, value: string])[] = [
  ["plus", "+5"],
  ["minus", "-5"],
  ["minus-zero", "-0"],
  ["hexadecimal", "0x5"],
  ["octal", "0o5"],
  ["underscore", "5_0"],
  ["inner-space", "5 0"],
  ["letters", "five"],
  ["decimal-point", "5.0"],
  ["exponent", "5e0"],
  ["semicolon", "5;"],
  ["empty", ""],
  ["list-unlike", "5, 6"],
  ["above-64-bits", "18446744073709551621"],
  ["above-all-bits", "99999999999999999999999999999999999999999"],
];

/** How a message whose length is none is refused; that it be 400 and no other is a case of its own. */
const refusals = [400, 411, 413, 422, 431, 501, 502];

/** Codings whose end is in doubt: refused, and the connection closed. */
const badCodings: readonly (readonly [id: string, section: string, must: string, fields: string])[] = [
  [
    "not-final",
    "RFC 9112 §6.3",
    "Chunked that is not the last coding is answered with an error.",
    "Transfer-Encoding: chunked, gzip\r\n",
  ],
  [
    "identity",
    "RFC 9112 §7",
    "The coding identity, which is none, is answered with an error.",
    "Transfer-Encoding: identity\r\n",
  ],
  [
    "unknown",
    "RFC 9112 §6.1",
    "A coding that nobody knows is answered with an error.",
    "Transfer-Encoding: xchunked\r\n",
  ],
  ["empty", "RFC 9112 §6.1", "An empty coding is refused.", "Transfer-Encoding:\r\n"],
  [
    "vertical-tab",
    "RFC 9110 §5.6.2",
    "A vertical tab is no part of a coding.",
    "Transfer-Encoding: \x0bchunked\r\n",
  ],
  [
    "form-feed",
    "RFC 9110 §5.6.2",
    "A form feed is no part of a coding.",
    "Transfer-Encoding: \x0cchunked\r\n",
  ],
  ["nul", "RFC 9110 §5.5", "A NUL is no part of a coding.", "Transfer-Encoding: chunked\0\r\n"],
  ["quoted", "RFC 9112 §7", "A quoted coding is none.", 'Transfer-Encoding: "chunked"\r\n'],
  [
    "high-byte",
    "RFC 9110 §5.6.2",
    "A byte above 0x7f is no part of a coding.",
    "Transfer-Encoding: chunked\xa0\r\n",
  ],
  [
    "second-line-unlike",
    "RFC 9112 §6.3",
    "A second Transfer-Encoding after chunked is answered with an error.",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
  ],
];

/** Messages that two readers could end at two places: refused, or sent on in one clear meaning. */
const doubtful: readonly (readonly [id: string, section: string, must: string, fields: string])[] = [
  [
    "length-and-coding",
    "RFC 9112 §6.1",
    "A length and a coding never go on together, and the connection is closed.",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
  ],
  [
    "coding-and-length",
    "RFC 9112 §6.1",
    "A coding and a length never go on together, and the connection is closed.",
    "Transfer-Encoding: chunked\r\nContent-Length: 30\r\n",
  ],
  [
    "length-and-unknown-coding",
    "RFC 9112 §6.1",
    "A length beside an unknown coding never goes on as it is.",
    "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
  ],
  [
    "length-and-underscored-coding",
    "RFC 9112 §6.3",
    "Transfer_Encoding is another field: the length holds.",
    "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n",
  ],
  [
    "chunked-twice",
    "RFC 9112 §6.1",
    "Chunked twice never goes on as it is.",
    "Transfer-Encoding: chunked, chunked\r\n",
  ],
  [
    "chunked-two-lines",
    "RFC 9112 §6.1",
    "Chunked on two lines never goes on as it is.",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
  ],
  ["coding-parameter", "RFC 9112 §7", "Chunked has no parameters.", "Transfer-Encoding: chunked;q=1\r\n"],
];

/** Whatever becomes of it, no part of the body may ever be a request of its own. */
function nothingSmuggled(request: Request, unread: Buffer): void {
  expectThat(!request.target.includes("smuggled"), "The end of a body was taken for a request.");
  expectThat(!unread.includes("/smuggled"), `Behind the request the origin got ${shown(unread)}.`);
}

async function cleanOrRefused(probe: Probe, fields: string, body: string): Promise<void> {
  const origin = await probe.origin();
  const taken = await probe.refusedOrClean(probe.post(origin, fields, body), origin);
  if (taken.kind !== "forwarded") return;
  nothingSmuggled(taken.request, taken.origin.unread);
  taken.origin.send(OK);
  await taken.client.response();
  await taken.client.ended(1_000);
}

export const bodyLengthCases: readonly ConformanceCase[] = [
  ...badLengths.map(([id, value]) =>
    http(
      `length-${id}`,
      "MUST",
      "RFC 9112 §6.3",
      `The length ${JSON.stringify(value)} is answered with an error, and the connection closed.`,
      async (probe) => {
        const origin = await probe.origin();
        const client = await probe.refused(
          probe.post(origin, `Content-Length: ${value}\r\n`, "hello"),
          origin,
          { statuses: refusals, orClosed: true },
        );
        await client.ended();
      },
    ),
  ),
  http(
    "length-invalid-400",
    "MUST",
    "RFC 9112 §6.3",
    "The answer to a length that is none is 400 and no other.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refused(probe.post(origin, "Content-Length: five\r\n", "hello"), origin, {
        statuses: [400],
      });
    },
  ),
  http(
    "length-twice-unlike",
    "MUST",
    "RFC 9112 §6.3",
    "Two lengths that differ are answered with an error, and the connection closed.",
    async (probe) => {
      const origin = await probe.origin();
      const fields = "Content-Length: 5\r\nContent-Length: 6\r\n";
      const client = await probe.refused(probe.post(origin, fields, "hello!"), origin, {
        statuses: refusals,
      });
      await client.ended();
    },
  ),
  ...(
    [
      ["twice-alike", "Content-Length: 5\r\nContent-Length: 5\r\n"],
      ["list-alike", "Content-Length: 5, 5\r\n"],
    ] as const
  ).map(([id, fields]) =>
    http(
      `length-${id}`,
      "MUST",
      "RFC 9112 §6.3",
      "The same length twice is refused, or goes on once.",
      async (probe) => {
        const origin = await probe.origin();
        await probe.refusedOrClean(probe.post(origin, fields, "hello"), origin, (request) => {
          expectThat(fieldOf(request, "content-length") === "5", `It went on as ${shown(request.head)}.`);
        });
      },
    ),
  ),
  http(
    "length-leading-zeros",
    "MUST",
    "RFC 9110 §8.6",
    "A length with leading zeros is refused, or read as decimal.",
    async (probe) => {
      const origin = await probe.origin();
      const request = probe.post(origin, "Content-Length: 010\r\n", "0123456789");
      await probe.refusedOrClean(request, origin, ({ body }) => {
        expectThat(body.toString() === "0123456789", `The body went on as ${shown(body)}.`);
      });
    },
  ),
  http(
    "length-padded",
    "MUST",
    "RFC 9110 §5.5",
    "White space around a length is no part of it.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.post(o, "Content-Length:  \t5 \t\r\n", "hello"));
      expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
    },
  ),
  ...badCodings.map(([id, section, must, fields]) =>
    http(`coding-${id}`, "MUST", section, must, async (probe) => {
      const origin = await probe.origin();
      const body = `5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`;
      const client = await probe.refused(probe.post(origin, fields, body), origin, { orClosed: true });
      await client.ended();
    }),
  ),
  http(
    "coding-gzip",
    "SHOULD",
    "RFC 9112 §6.1",
    "A coding that the proxy does not do is answered 501, or goes on whole.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, "Transfer-Encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"));
      await client.becomes(() => client.unread.length > 0 || origin.received > 0);
      const seen = origin.wires[0]?.unread.toString("latin1") ?? "";
      if (seen !== "") expectThat(/gzip, *chunked/i.test(seen), `It went on as ${shown(seen)}.`);
      else
        expectThat(
          /^HTTP\/1\.1 (400|422|501)/.test(client.unread.toString("latin1")),
          `The answer is ${shown(client.unread)}.`,
        );
    },
  ),
  ...doubtful.map(([id, section, must, fields]) =>
    http(`doubt-${id}`, "MUST", section, must, async (probe) => {
      const body = fields.includes("_") ? `hello` : `0\r\n\r\n${SMUGGLED}`;
      if (fields.includes("_")) {
        const origin = await probe.origin();
        await probe.refusedOrClean(probe.post(origin, fields, body), origin, (request) => {
          expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
        });
      } else await cleanOrRefused(probe, fields, body);
    }),
  ),
  http(
    "doubt-http-1.0-coding",
    "MUST",
    "RFC 9112 §6.1",
    "A transfer coding in HTTP/1.0 is faulty: it is refused, or the connection closed after it.",
    async (probe) => {
      const origin = await probe.origin();
      const request = probe.post(
        origin,
        "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
        `5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
        "1.0",
      );
      const taken = await probe.refusedOrClean(request, origin);
      if (taken.kind === "forwarded") {
        nothingSmuggled(taken.request, taken.origin.unread);
        taken.origin.send(OK);
      }
      await taken.client.ended();
    },
  ),
  ...["Content-Length", "Transfer-Encoding"].map((named) =>
    http(
      `doubt-connection-names-${named.toLowerCase()}`,
      "MUST",
      "RFC 9112 §6.3",
      `Connection: ${named} never strips a body of its length.`,
      async (probe) => {
        const origin = await probe.origin();
        const chunked = named.startsWith("Transfer");
        const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${SMUGGLED.length}`;
        const body = chunked ? `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n` : SMUGGLED;
        const fields = `Connection: ${named}\r\n${framing}\r\n`;
        await probe.refusedOrClean(probe.post(origin, fields, body), origin, (request, target) => {
          expectThat(request.body.length === SMUGGLED.length, `The body arrived as ${shown(request.body)}.`);
          nothingSmuggled(request, target.unread);
        });
      },
    ),
  ),
  http(
    "coding-case",
    "SHOULD",
    "RFC 9112 §7",
    "The name of a coding is read without regard to case.",
    async (probe) => {
      const { request } = await probe.exchange((o) =>
        probe.post(o, "Transfer-Encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
      );
      expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
    },
  ),
  http(
    "coding-empty-members",
    "SHOULD",
    "RFC 9110 §5.6.1",
    "Empty members of the list of codings are ignored.",
    async (probe) => {
      const { request } = await probe.exchange((o) =>
        probe.post(o, "Transfer-Encoding: , chunked ,\r\n", "5\r\nhello\r\n0\r\n\r\n"),
      );
      expectThat(request.body.toString() === "hello", `The body arrived as ${shown(request.body)}.`);
    },
  ),
  http("body-by-length", "MUST", "RFC 9112 §6.2", "A body with a length arrives whole.", async (probe) => {
    const { request } = await probe.exchange((o) => probe.post(o, "Content-Length: 5\r\n", "h\r\n\0o"));
    expectThat(request.body.toString("latin1") === "h\r\n\0o", `The body arrived as ${shown(request.body)}.`);
  }),
  http(
    "body-length-zero",
    "SHOULD",
    "RFC 9110 §8.6",
    "A POST of no bytes still says so: Content-Length: 0 goes on.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.post(o, "Content-Length: 0\r\n"));
      expectThat(
        fieldOf(request, "content-length") === "0",
        `The length went on as ${shown(fieldOf(request, "content-length") ?? "nothing")}.`,
      );
    },
  ),
  http(
    "body-none",
    "MUST",
    "RFC 9112 §6.3",
    "A POST without length and coding has no body.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.post(o, ""));
      expectThat(request.body.length === 0, "A body came of nothing.");
    },
  ),
  http(
    "body-of-get",
    "MUST",
    "RFC 9110 §9.3.1",
    "A GET with a body keeps it, or is refused.",
    async (probe) => {
      const origin = await probe.origin();
      const bytes = `${probe.get(origin, "Content-Length: 5\r\n")}hello`;
      await probe.refusedOrClean(bytes, origin, ({ body }) => {
        expectThat(body.toString() === "hello", `The body arrived as ${shown(body)}.`);
      });
    },
  ),
  http(
    "body-cut-off",
    "MUST",
    "RFC 9112 §8",
    "A body that breaks off never looks whole to the origin.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, "Content-Length: 10\r\n", "hello"));
      client.finish();
      await client.ended();
      const target = origin.wires[0];
      if (target === undefined) return;
      await target.ended();
      const { complete } = await target.request().catch(() => ({ complete: false }));
      expectThat(!complete, "The origin got a whole request.");
    },
  ),
];
