import { findHeadEnd, parseHead, RESPONSE_HEAD_LIMITS } from "@atlantic/server/src/gateway/http/head.ts";
import {
  clientHead,
  interimHead,
  type ProxyResponse,
  readResponse,
} from "@atlantic/server/src/gateway/http/response.ts";
import { fieldOf, readResponse as readStrictly } from "../../src/wire/message.ts";
import { bytesOf, type FuzzTarget, holds, same } from "../fuzz-target.ts";
import { mutated } from "../mutate.ts";
import { outcomeOf } from "./outcome.ts";

const corpus = bytesOf(
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n0\r\n\r\n",
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  "HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic\r\nConnection: X-A, close\r\nX-A: 1\r\n\r\n",
  "HTTP/1.1 599 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5, 5\r\n\r\n",
);
const tokens = bytesOf(
  "HTTP/1.1 ",
  "HTTP/1.0 ",
  "200 OK\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 5, 6\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip\r\n",
  "Connection: transfer-encoding\r\n",
  "Connection: close\r\n",
  "Keep-Alive: 1\r\n",
  " : ",
  "\r\n ",
);
const methods = ["GET", "HEAD", "POST"] as const;
const BODY_BYTES = 100_000;

function checkForClient(response: ProxyResponse, method: string, version: "1.0" | "1.1"): void {
  const { framing } = response;
  const keepAlive = version === "1.1" && framing.kind !== "close" && response.keepAlive;
  const head = Buffer.from(clientHead(response, { version, keepAlive }), "latin1");
  const bodiless = framing.kind === "none";
  const length = framing.kind === "length" ? Math.min(framing.length, BODY_BYTES) : 0;
  const chunked = framing.kind === "chunked" && version === "1.1";
  const body = chunked ? Buffer.from("0\r\n\r\n") : Buffer.alloc(length);
  const seen = readStrictly(Buffer.concat([head, body]), { bodiless: method === "HEAD", over: true });
  holds(seen !== undefined, "What goes to the client is no whole response.");
  holds(seen.status === response.status, "The status changed on the way.");
  if (!bodiless) holds(seen.chunked === chunked, "The framing changed on the way.");
  if (framing.kind === "length" && framing.length <= BODY_BYTES) {
    holds(seen.body.length === length && seen.complete, "The length changed on the way.");
  }
  for (const name of ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te"]) {
    holds(fieldOf(seen, name) === undefined, `${name} went to the client.`);
  }
  const connection = fieldOf(seen, "connection") ?? "";
  holds(/^(?:close|keep-alive)?$/.test(connection), () => `Connection went to the client as ${connection}.`);
}

/** The header section of responses. */
export const responseHead: FuzzTarget = {
  name: "HTTP response heads",
  weight: 4,
  input: (random) => mutated(random, corpus, tokens),
  check(input, random) {
    const whole = outcomeOf(() => findHeadEnd(input, RESPONSE_HEAD_LIMITS));
    const cut = random.below(input.length + 1);
    const part = outcomeOf(() => findHeadEnd(input.subarray(0, cut), RESPONSE_HEAD_LIMITS));
    if ("result" in part && part.result >= 0) same(part, whole, "The end of a head moves with more bytes");
    if (!("result" in whole) || whole.result < 0) return;
    const text = input.toString("latin1", 0, whole.result - 4);
    const method = random.pick(methods);
    const found = outcomeOf(() => readResponse(parseHead(text, RESPONSE_HEAD_LIMITS), method));
    if (!("result" in found)) return;
    const response = found.result;
    holds(response.status >= 100 && response.status < 600, "A status is out of range.");
    if (response.status >= 200) checkForClient(response, method, random.pick(["1.0", "1.1"]));
    else
      holds(
        readStrictly(Buffer.from(interimHead(response), "latin1")) !== undefined,
        "An interim answer broke.",
      );
  },
};
