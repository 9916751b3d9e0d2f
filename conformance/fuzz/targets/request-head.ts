import { findHeadEnd, parseHead, REQUEST_HEAD_LIMITS } from "@atlantic/server/src/gateway/http/head.ts";
import { hopFields } from "@atlantic/server/src/gateway/http/hop-fields.ts";
import { onwardHead, type ProxyRequest, readRequest } from "@atlantic/server/src/gateway/http/request.ts";
import { fieldOf, readRequest as readStrictly } from "../../src/wire/message.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import { outcomeOf } from "./outcome.ts";

const corpus = bytesOf(
  "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "POST http://a.example:8080/a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
  "POST http://a.example/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n0\r\n\r\n",
  "GET http://[2001:db8::1]:80/ HTTP/1.1\r\nHost: [::1]\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
  "GET http://127.0.0.1:1?q HTTP/1.0\r\nProxy-Authorization: Basic YTpi\r\nConnection: keep-alive\r\n\r\n",
  "OPTIONS http://a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n",
  "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nearly",
  "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "PUT http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
  "GET http://a/ HTTP/1.1\r\nHost: a\r\nX-Atlantic-Country: de\r\nTrailer: X-T\r\nKeep-Alive: 5\r\n\r\n",
);
const tokens = bytesOf(
  "GET ",
  "CONNECT ",
  "http://",
  "HTTP://",
  " HTTP/1.1",
  " HTTP/1.0",
  "Host: a\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 05, 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Connection: content-length\r\n",
  "Connection: close\r\n",
  "Proxy-Connection: x-a\r\n",
  "Proxy-Authorization: Basic eDp5\r\n",
  "Max-Forwards: 1\r\n",
  "TE: trailers\r\n",
  "\r\n ",
  " : ",
  "chunked",
  "@",
  "[::1]",
  "#",
  "?",
  "//",
);

/** Everything that must hold of a request that is sent on, seen by another reader. */
function checkOnward(request: ProxyRequest): void {
  const onward = Buffer.from(onwardHead(request), "latin1");
  // A body of the length that it says, so that the strict reader has a whole message.
  const framing = request.framing;
  const length = framing.kind === "length" ? Math.min(framing.length, 100_000) : 0;
  const body = framing.kind === "chunked" ? Buffer.from("0\r\n\r\n") : Buffer.alloc(length, 0x61);
  const seen = readStrictly(Buffer.concat([onward, body]), true);
  holds(seen !== undefined, "What goes on is no whole request.");
  holds(seen.method === request.method && seen.target === request.path, "Method or path changed on the way.");
  same(fieldOf(seen, "host"), request.target.authority, "Host is not the target's");
  holds(seen.chunked === (framing.kind === "chunked"), "The framing changed on the way.");
  holds(seen.body.length === length, () => `A body of ${length} bytes was read as ${seen.body.length}.`);
  for (const [name] of seen.fields) {
    const ours = name === "connection" || name === "upgrade" || name === "te" || name === "transfer-encoding";
    holds(!hopFields.has(name) || ours, () => `${name} went on.`);
    holds(!name.startsWith("x-atlantic-") || name === "x-atlantic-request", () => `${name} went on.`);
  }
  const connection = fieldOf(seen, "connection");
  holds(
    connection === undefined || connection === "Upgrade" || connection === "TE",
    () => `Connection went on as ${connection}.`,
  );
}

/** What goes on is read again as the same request: nothing is lost, nothing means two things. */
function checkAgain(request: ProxyRequest): void {
  const path = request.path === "*" ? "" : request.path;
  const written = onwardHead(request).replace(
    `${request.method} ${request.path} `,
    () => `${request.method} http://${request.target.authority}${path} `,
  );
  const again = readRequest(parseHead(written.slice(0, -4), REQUEST_HEAD_LIMITS));
  const first = onwardHead({ ...request, maxForwards: undefined });
  const second = onwardHead({ ...again, maxForwards: undefined });
  same(second, first, "What goes on is read as another request");
}

/** The header section of requests. */
export const requestHead: FuzzTarget = {
  name: "HTTP request heads",
  weight: 4,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    const whole = outcomeOf(() => findHeadEnd(input, REQUEST_HEAD_LIMITS));
    const cut = random.below(input.length + 1);
    const part = outcomeOf(() => findHeadEnd(input.subarray(0, cut), REQUEST_HEAD_LIMITS));
    if ("result" in part && part.result >= 0) same(part, whole, "The end of a head moves with more bytes");
    if (!("result" in whole) || whole.result < 0) return;
    const end = whole.result;
    holds(
      end <= input.length && input.subarray(end - 4, end).toString() === "\r\n\r\n",
      "A head has no end.",
    );
    const text = input.toString("latin1", 0, end - 4);
    const found = outcomeOf(() => readRequest(parseHead(text, REQUEST_HEAD_LIMITS)));
    if (!("result" in found) || found.result.method === "CONNECT") return;
    const request = found.result;
    holds(request.target.port > 0 && request.target.port < 65_536, "A port is out of range.");
    holds(
      request.maxForwards !== 0 || request.method === "OPTIONS" || request.method === "TRACE",
      "Forwards.",
    );
    if (request.maxForwards === 0) return;
    checkOnward(request);
    checkAgain(request);
  },
};
