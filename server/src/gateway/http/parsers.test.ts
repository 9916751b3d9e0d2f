import fc from "fast-check";
import { expect, test } from "vitest";
import { bodyReader } from "./body-reader.ts";
import { findHeadEnd, parseHead, REQUEST_HEAD_LIMITS } from "./head.ts";
import { readRequest } from "./request.ts";

/** A chunked body with its payload, and its form without extensions and without trailers that may not go on. */
const chunkedBody = fc
  .record({
    chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 }),
    extension: fc.constantFrom("", ";a", ";a=b", " "),
    trailers: fc.array(fc.constantFrom("X-A: 1", "X-B: 2", "Content-Length: 5"), { maxLength: 3 }),
  })
  .map(({ chunks, extension, trailers }) => {
    const write = (withExtras: boolean) =>
      Buffer.concat([
        ...chunks.flatMap((chunk) => [
          Buffer.from(`${chunk.length.toString(16)}${withExtras ? extension : ""}\r\n`),
          Buffer.from(chunk),
          Buffer.from("\r\n"),
        ]),
        Buffer.from(`0${withExtras ? extension : ""}\r\n`),
        ...trailers
          .filter((line) => withExtras || line.startsWith("X-"))
          .map((line) => Buffer.from(`${line}\r\n`)),
        Buffer.from("\r\n"),
      ]);
    return { wire: write(true), plain: write(false), payload: Buffer.concat(chunks) };
  });

function readAll(wire: Buffer, cuts: readonly number[], payloadOnly: boolean) {
  const reader = bodyReader({ kind: "chunked" }, payloadOnly);
  const passed: Buffer[] = [];
  let used = 0;
  let at = 0;
  for (const cut of [...cuts, wire.length].map((one) => Math.min(one, wire.length)).sort((a, b) => a - b)) {
    const part = wire.subarray(at, cut);
    used += reader.read(part, 0, (from, start, end) => passed.push(from.subarray(start, end)));
    at = cut;
  }
  return { passed: Buffer.concat(passed), used, done: reader.done };
}

test("chunks are followed to their end, however the bytes are cut, and what is behind them is left", () => {
  fc.assert(
    fc.property(chunkedBody, fc.array(fc.nat(300)), fc.uint8Array({ maxLength: 20 }), (body, cuts, rest) => {
      const wire = Buffer.concat([body.wire, rest]);
      const framed = readAll(wire, cuts, false);
      expect(framed).toEqual({ passed: body.plain, used: body.wire.length, done: true });
      expect(readAll(wire, cuts, true).passed).toEqual(body.payload);
    }),
  );
});

test("no bytes make the parsers fail in words that are not the table's, or let a line break through", () => {
  const pieces = fc.constantFrom(
    "GET http://a.example/ HTTP/1.1\r\n",
    "Host: a\r\n",
    "Content-Length: 1\r\n",
    "Connection: x, close\r\n",
    "X: ",
    ":",
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    "é",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 12 }), (parts) => {
      const bytes = Buffer.from(parts.join(""), "latin1");
      try {
        const end = findHeadEnd(bytes, REQUEST_HEAD_LIMITS);
        if (end < 0) return;
        const request = readRequest(parseHead(bytes.toString("latin1", 0, end - 4), REQUEST_HEAD_LIMITS));
        expect(request.path).not.toMatch(/[\s\0]/);
        for (const line of request.onward.split("\r\n")) expect(line).not.toMatch(/[\r\n\0]/);
      } catch (error) {
        if ((error as Error).name !== "ProxyError") throw error;
      }
    }),
    { numRuns: 500 },
  );
});
