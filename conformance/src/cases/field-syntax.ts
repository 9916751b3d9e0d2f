import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { fieldOf } from "../wire/message.ts";

const http = casesOf("http", ["http"]);

/** Fields that must be answered 400, or refused in some way where no status is named. */
const refusedFields: readonly (readonly [
  id: string,
  section: string,
  must: string,
  fields: string,
  statuses?: readonly number[],
])[] = [
  [
    "space-before-colon",
    "RFC 9112 §5.1",
    "White space between a field's name and the colon is answered 400.",
    "X-A : 1\r\n",
    [400],
  ],
  [
    "tab-before-colon",
    "RFC 9112 §5.1",
    "A tab between a field's name and the colon is answered 400.",
    "X-A\t: 1\r\n",
    [400],
  ],
  [
    "length-space-before-colon",
    "RFC 9112 §5.1",
    "Content-Length with a space before its colon is answered 400.",
    "Content-Length : 0\r\n",
    [400],
  ],
  [
    "coding-space-before-colon",
    "RFC 9112 §5.1",
    "Transfer-Encoding with a space before its colon is answered 400.",
    "Transfer-Encoding : chunked\r\n",
    [400],
  ],
  ["empty-name", "RFC 9112 §5", "A field without a name is refused.", ": 1\r\n"],
  ["no-colon", "RFC 9112 §5", "A field line without a colon is refused.", "X-A\r\n"],
  ["brackets-in-name", "RFC 9110 §5.6.2", "A name that is no token is refused.", "X[A]: 1\r\n"],
  ["space-in-name", "RFC 9110 §5.6.2", "A name with a space in it is refused.", "X A: 1\r\n"],
  ["nul-in-name", "RFC 9110 §5.6.2", "A name with a NUL in it is refused.", "X\0A: 1\r\n"],
  ["latin1-in-name", "RFC 9110 §5.6.2", "A name with bytes outside ASCII is refused.", "X\xe9: 1\r\n"],
];

/** Fields that may be refused, or mended before they go on: the strict origin tells what came of them. */
const mendable: readonly (readonly [id: string, section: string, must: string, fields: string])[] = [
  ["nul-in-value", "RFC 9110 §5.5", "A NUL in a value is refused or replaced by a space.", "X-A: a\0b\r\n"],
  [
    "cr-in-value",
    "RFC 9110 §5.5",
    "A bare CR in a value is refused or replaced by a space.",
    "X-A: a\rb\r\n",
  ],
  [
    "cr-hides-coding",
    "RFC 9112 §2.2",
    "A bare CR never makes a second field of a value.",
    "X-A: a\rTransfer-Encoding: chunked\r\n",
  ],
  [
    "obs-fold",
    "RFC 9112 §5.2",
    "A folded line is refused or unfolded, never sent on as it is.",
    "X-A: a\r\n b\r\n",
  ],
  [
    "obs-fold-coding",
    "RFC 9112 §5.2",
    "A folded Transfer-Encoding is refused, or unfolded and obeyed.",
    "Transfer-Encoding:\r\n chunked\r\n",
  ],
  [
    "bare-lf",
    "RFC 9112 §2.2",
    "A field line that ends in a bare LF is refused, or sent on with CRLF.",
    "X-A: a\nX-B: b\r\n",
  ],
];

export const fieldSyntaxCases: readonly ConformanceCase[] = [
  ...refusedFields.map(([id, section, must, fields, statuses]) =>
    http(`field-${id}`, "MUST", section, must, async (probe) => {
      const origin = await probe.origin();
      const how = statuses ? { statuses } : { orClosed: true };
      await probe.refused(probe.get(origin, fields), origin, how);
    }),
  ),
  ...mendable.map(([id, section, must, fields]) =>
    http(`field-${id}`, "MUST", section, must, async (probe) => {
      const origin = await probe.origin();
      const body = fields.includes("ncoding") ? "0\r\n\r\n" : "";
      await probe.refusedOrClean(probe.get(origin, fields) + body, origin);
    }),
  ),
  http(
    "field-before-first",
    "MUST",
    "RFC 9112 §2.2",
    "White space before the first field is refused, or its line left out.",
    async (probe) => {
      const origin = await probe.origin();
      const request = `GET http://${origin.authority}/ HTTP/1.1\r\n X-A: 1\r\nHost: ${origin.authority}\r\n${probe.auth}\r\n`;
      await probe.refusedOrClean(request, origin, (seen) => {
        expectThat(
          fieldOf(seen, "x-a") === undefined,
          "The line with white space before it went on as a field.",
        );
      });
    },
  ),
  http(
    "field-lf-injects-coding",
    "MUST",
    "RFC 9112 §6.3",
    "A coding behind a bare LF never goes on beside a length.",
    async (probe) => {
      const origin = await probe.origin();
      const fields = "Content-Length: 5\r\nX-A: a\nTransfer-Encoding: chunked\r\n";
      await probe.refusedOrClean(probe.post(origin, fields, "0\r\n\r\n"), origin);
    },
  ),
  http(
    "field-order",
    "MUST",
    "RFC 9110 §5.3",
    "Several lines of one field keep their order, requests and responses alike.",
    async (probe) => {
      const answer =
        "HTTP/1.1 200 OK\r\nX-M: 1\r\nContent-Length: 0\r\nX-M: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-M: 3\r\n\r\n";
      const { request, response } = await probe.exchange(
        (o) => probe.get(o, "X-M: 1\r\nX-O: o\r\nX-M: 2\r\nX-M: 3\r\n"),
        answer,
      );
      expectThat(
        fieldOf(request, "x-m") === "1, 2, 3",
        `The origin got ${shown(fieldOf(request, "x-m") ?? "")}.`,
      );
      expectThat(
        fieldOf(response, "x-m") === "1, 2, 3",
        `The client got ${shown(fieldOf(response, "x-m") ?? "")}.`,
      );
      const cookies = response.fields.filter(([name]) => name === "set-cookie").map(([, value]) => value);
      expectThat(cookies.join("|") === "a=1|b=2", `The cookies came as ${shown(cookies.join("|"))}.`);
    },
  ),
  http(
    "field-unknown",
    "MUST",
    "RFC 9110 §5.1",
    "Fields that the proxy does not know go on, in both directions.",
    async (probe) => {
      const { request, response } = await probe.exchange(
        (o) => probe.get(o, 'X-Never-Heard-Of: a, "b" ; c=d\r\nX_Under: u\r\n'),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Never-Heard-Of: e\r\n\r\n",
      );
      expectThat(
        fieldOf(request, "x-never-heard-of") === 'a, "b" ; c=d',
        "The origin did not get it as it was.",
      );
      expectThat(fieldOf(request, "x_under") === "u", "The name with an underscore was left out.");
      expectThat(fieldOf(response, "x-never-heard-of") === "e", "The client did not get it.");
    },
  ),
  http(
    "field-obs-text",
    "SHOULD",
    "RFC 9110 §5.5",
    "Bytes above 0x7f in a value go on as they are.",
    async (probe) => {
      const { request, response } = await probe.exchange(
        (o) => probe.get(o, "X-A: \xe4\xff\x80\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: \xc3\xa4\r\n\r\n",
      );
      expectThat(
        fieldOf(request, "x-a") === "\xe4\xff\x80",
        `The origin got ${shown(fieldOf(request, "x-a") ?? "")}.`,
      );
      expectThat(
        fieldOf(response, "x-a") === "\xc3\xa4",
        `The client got ${shown(fieldOf(response, "x-a") ?? "")}.`,
      );
    },
  ),
  http(
    "field-empty-value",
    "MUST",
    "RFC 9110 §5.5",
    "A field with an empty value is a field.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.get(o, "X-Empty:\r\nX-Blank:  \t \r\n"));
      expectThat(fieldOf(request, "x-empty") === "", "The field without a value was left out or changed.");
      expectThat(fieldOf(request, "x-blank") === "", "The field of white space was left out or changed.");
    },
  ),
];
