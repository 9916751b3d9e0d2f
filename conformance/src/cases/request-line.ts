import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import type { Origin } from "../wire/origin.ts";

const http = casesOf("http", ["http"]);
const REQUEST_LINE = "RFC 9112 §3";

/** A request with this start line, `@` standing for the origin's authority. */
function withLine(line: string, origin: Origin, auth: string, end = "\r\n"): string {
  return `${line.replaceAll("@", origin.authority)}${end}Host: ${origin.authority}\r\n${auth}\r\n`;
}

/** Start lines that no grammar allows. */
const invalid: readonly (readonly [
  id: string,
  level: "MUST" | "SHOULD",
  section: string,
  must: string,
  line: string,
])[] = [
  ["no-target", "MUST", REQUEST_LINE, "A request line without a target is refused.", "GET HTTP/1.1"],
  [
    "two-spaces",
    "SHOULD",
    REQUEST_LINE,
    "A request line with two spaces is refused, not mended.",
    "GET  http://@/ HTTP/1.1",
  ],
  [
    "tab-separator",
    "SHOULD",
    REQUEST_LINE,
    "A tab does not stand for the space in a request line.",
    "GET\thttp://@/\tHTTP/1.1",
  ],
  [
    "space-in-target",
    "SHOULD",
    "RFC 9112 §3.2",
    "White space in the target is refused, not mended.",
    "GET http://@/a b HTTP/1.1",
  ],
  [
    "nul-in-target",
    "MUST",
    "RFC 9112 §2.2",
    "A NUL in the request line is refused.",
    "GET http://@/\0 HTTP/1.1",
  ],
  [
    "bare-cr-in-target",
    "MUST",
    "RFC 9112 §2.2",
    "A bare CR in the request line is refused.",
    "GET http://@/\rx HTTP/1.1",
  ],
  [
    "non-token-method",
    "MUST",
    "RFC 9110 §9.1",
    "A method that is no token is refused.",
    "G{ET http://@/ HTTP/1.1",
  ],
  ["leading-space", "MUST", REQUEST_LINE, "A space before the method is refused.", " GET http://@/ HTTP/1.1"],
  ["http-0.9", "SHOULD", "RFC 9112 §2.3", "A request line without a version is refused.", "GET http://@/"],
  [
    "version-lower-case",
    "MUST",
    "RFC 9112 §2.3",
    "The version is HTTP, in capitals.",
    "GET http://@/ http/1.1",
  ],
  [
    "version-no-minor",
    "MUST",
    "RFC 9112 §2.3",
    "HTTP/1 without a minor version is refused.",
    "GET http://@/ HTTP/1",
  ],
  [
    "version-leading-zero",
    "MUST",
    "RFC 9112 §2.3",
    "A version of two digits is refused.",
    "GET http://@/ HTTP/01.1",
  ],
  [
    "version-space",
    "MUST",
    "RFC 9112 §2.3",
    "White space in the version is refused.",
    "GET http://@/ HTTP/ 1.1",
  ],
  [
    "version-behind",
    "MUST",
    "RFC 9112 §2.3",
    "Anything behind the version is refused.",
    "GET http://@/ HTTP/1.1x",
  ],
  [
    "version-trailing-space",
    "SHOULD",
    REQUEST_LINE,
    "A space behind the version is refused, not mended.",
    "GET http://@/ HTTP/1.1 ",
  ],
  [
    "version-2",
    "SHOULD",
    "RFC 9110 §15.6.6",
    "A major version that is not understood is refused.",
    "GET http://@/ HTTP/2.0",
  ],
];

export const requestLineCases: readonly ConformanceCase[] = [
  ...invalid.map(([id, level, section, must, line]) =>
    http(`line-${id}`, level, section, must, async (probe) => {
      const origin = await probe.origin();
      await probe.refused(withLine(line, origin, probe.auth), origin, { orClosed: true });
    }),
  ),
  http(
    "line-higher-minor",
    "SHOULD",
    "RFC 9110 §2.5",
    "A higher minor version is taken as the highest that is known.",
    async (probe) => {
      const origin = await probe.origin();
      const taken = await probe.taken(withLine("GET http://@/ HTTP/1.2", origin, probe.auth), origin);
      expectThat(taken.kind === "forwarded", "HTTP/1.2 was refused.");
      expectThat(
        taken.request.version === "HTTP/1.1",
        `It was sent on as ${taken.request.version}, which is not the proxy's own version.`,
      );
    },
  ),
  http(
    "line-method-case",
    "MUST",
    "RFC 9110 §9.1",
    "Methods are told apart by case: get is not GET.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refusedOrClean(
        withLine("get http://@/ HTTP/1.1", origin, probe.auth),
        origin,
        ({ method }) => {
          expectThat(method === "get", `"get" became ${shown(method)}.`);
        },
      );
    },
  ),
  http(
    "line-own-method",
    "SHOULD",
    "RFC 9110 §9.1",
    "A method that the proxy does not know is sent on as it is.",
    async (probe) => {
      const { request } = await probe.exchange((origin) =>
        probe.get(origin, "Content-Length: 0\r\n", "/", "M-SEARCH"),
      );
      expectThat(request.method === "M-SEARCH", `The method became ${shown(request.method)}.`);
    },
  ),
  http(
    "line-empty-lines-before",
    "SHOULD",
    "RFC 9112 §2.2",
    "An empty line in front of a request is ignored.",
    async (probe) => {
      await probe.exchange((origin) => `\r\n${probe.get(origin)}`);
    },
  ),
  http(
    "line-garbage",
    "SHOULD",
    "RFC 9112 §2.2",
    "What is not HTTP is answered with an error or closed, at once.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refused("\x01\x02\xfe\xffgarbage\r\n\r\n", origin, { orClosed: true });
    },
  ),
  http(
    "line-cr-only",
    "MUST",
    "RFC 9112 §2.2",
    "Lines that end in a bare CR are no lines: such a request is never sent on.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin).replaceAll("\r\n", "\r"));
      client.finish();
      await client.ended();
      expectThat(origin.received === 0, `The origin got ${origin.received} bytes.`);
    },
  ),
  http(
    "line-bare-lf",
    "MUST",
    "RFC 9112 §2.2",
    "A request whose lines end in a bare LF is refused, or sent on with CRLF.",
    async (probe) => {
      const origin = await probe.origin();
      await probe.refusedOrClean(probe.get(origin).replaceAll("\r\n", "\n"), origin);
    },
  ),
];
