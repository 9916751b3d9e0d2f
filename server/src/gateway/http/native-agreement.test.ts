import { nativeAddon } from "@atlantic/native";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findHeadEnd, parseHead, REQUEST_HEAD_LIMITS, RESPONSE_HEAD_LIMITS } from "./head.ts";
import { onwardHead, readRequest } from "./request.ts";
import { clientHead, readResponse } from "./response.ts";

const addon = nativeAddon();
const AUTHORITY = "a.example:8080";
const AUTHORIZATION = "Basic eDp5";

/** Pieces of headers, plain ones for the most part, and single bytes that parsers like to differ over. */
const piece = (plain: readonly string[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...plain) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "\r",
        "\n",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        "\x0b",
        "\x7f",
        "\x80",
        "\xa0",
        "\xe9",
        "\xff",
        ";",
        "#",
        "%",
        "[",
        "x",
      ),
    },
  );

const requestHead = fc
  .record({
    line: fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .constantFrom("GET", "POST", "HEAD", "PUT")
          .map((method) => `${method} http://${AUTHORITY}/p?q HTTP/1.1\r\n`),
      },
      {
        weight: 1,
        arbitrary: fc
          .array(piece(["GET", " ", "http://", AUTHORITY, "/", "?q", "HTTP/1.1", "\r\n"]), { maxLength: 9 })
          .map((parts) => parts.join("")),
      },
    ),
    parts: fc.array(
      piece([
        `Host: ${AUTHORITY}\r\n`,
        `Proxy-Authorization: ${AUTHORIZATION}\r\n`,
        "Content-Length: 5\r\n",
        "Content-Length: 005\r\n",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Proxy-Connection: Keep-Alive\r\n",
        "Keep-Alive: timeout=1\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X-A: 1\r\n",
        "x-a:\t2 \r\n",
        "Cookie: \xe9=b; c\r\n",
        "Trailer: X\r\n",
        "TE: trailers\r\n",
        "Proxy-Status: a\r\n",
        "X-Atlantic-Country: de\r\n",
        "Via: 1.1 a\r\n",
        "X-Empty:\r\n",
      ]),
      { maxLength: 8 },
    ),
  })
  .map(
    ({ line, parts }) =>
      `${line}Host: ${AUTHORITY}\r\nProxy-Authorization: ${AUTHORIZATION}\r\n${parts.join("")}\r\n`,
  );

const responseHead = fc
  .record({
    line: fc.constantFrom(
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 404\r\n",
      "HTTP/1.1 304 \r\n",
      "HTTP/1.0 200 OK\r\n",
      "HTTP/1.1 204 No\r\n",
      "HTTP/1.1 101 S\r\n",
      "HTTP/1.1 599 \xe9\t\r\n",
    ),
    parts: fc.array(
      piece([
        "Content-Length: 5\r\n",
        "Content-Length: 05\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: Chunked\r\n",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Connection: X-A\r\n",
        "Keep-Alive: timeout=1\r\n",
        "Date: D\r\n",
        "X-A: 1\r\n",
        "Set-Cookie: a=\xe9\r\n",
        "Upgrade: h2\r\n",
        "Proxy-Authenticate: Basic\r\n",
        "X-Atlantic-A: 1\r\n",
        "Trailer: X\r\n",
        "Via: 1.1 a\r\n",
      ]),
      { maxLength: 7 },
    ),
  })
  .map(({ line, parts }) => `${line}${parts.join("")}\r\n`);

describe.runIf(addon !== null)("what the engine takes for plain", () => {
  test("is a request that TypeScript writes with the same bytes", () => {
    let plain = 0;
    fc.assert(
      fc.property(requestHead, (text) => {
        const head = Buffer.from(text, "latin1");
        const rewritten = addon?.rewrittenRequest(head, Buffer.from(AUTHORITY), Buffer.from(AUTHORIZATION));
        if (rewritten == null) return;
        plain += 1;
        expect(findHeadEnd(head, REQUEST_HEAD_LIMITS)).toBe(head.length);
        const request = readRequest(parseHead(text.slice(0, -4), REQUEST_HEAD_LIMITS));
        expect(onwardHead(request)).toBe(rewritten.toString("latin1"));
        expect(request).toMatchObject({ keepAlive: true, upgrade: false, authorization: AUTHORIZATION });
        expect(request.framing.kind).not.toBe("chunked");
      }),
      { numRuns: 20_000 },
    );
    expect(plain).toBeGreaterThan(100);
  });

  test("is an answer that TypeScript writes with the same bytes", () => {
    let plain = 0;
    const undated = (words: string) => words.replace(/Date: .* GMT/, "Date: now");
    fc.assert(
      fc.property(responseHead, fc.boolean(), (text, toHead) => {
        const rewritten = addon?.rewrittenResponse(Buffer.from(text, "latin1"), toHead);
        if (rewritten == null) return;
        plain += 1;
        const response = readResponse(
          parseHead(text.slice(0, -4), RESPONSE_HEAD_LIMITS),
          toHead ? "HEAD" : "GET",
        );
        const written = clientHead(response, { version: "1.1", keepAlive: true });
        expect(undated(written)).toBe(undated(rewritten.toString("latin1")));
        expect(response.framing.kind).not.toBe("close");
      }),
      { numRuns: 20_000 },
    );
    expect(plain).toBeGreaterThan(100);
  });
});
