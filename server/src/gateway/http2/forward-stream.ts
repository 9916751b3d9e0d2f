import { createHash, randomBytes } from "node:crypto";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { ProxyError, proxyStatusValue } from "@atlantic/shared/errors.ts";
import { breakStream } from "./break-stream.ts";
import { absoluteForm, type StreamRequest } from "./request-fields.ts";
import { responseFields } from "./response-fields.ts";
import type { StreamTraffic } from "./stream-traffic.ts";
import type { VirtualSocket } from "./virtual-socket.ts";

const MAX_ANSWER_HEAD = 131_072;

/**
 * Carries one HTTP/2 request to the HTTP/1.1 forwarding at the other end of `socket`, and its answer back: interim
 * answers, trailers and, where `:protocol` asks for it, a WebSocket (RFC 8441) included.
 */
export function forwardStream(
  stream: ServerHttp2Stream,
  request: StreamRequest,
  socket: VirtualSocket,
  traffic: StreamTraffic,
): void {
  const key = request.protocol === undefined ? undefined : randomBytes(16).toString("base64");
  const onward = httpRequest({
    method: key === undefined ? request.method : "GET",
    path: absoluteForm(request),
    headers: onwardFields(stream, request, key),
    createConnection: () => socket,
    maxHeaderSize: MAX_ANSWER_HEAD,
  });
  onward.on("error", () => reset(stream));
  onward.on("information", ({ statusCode, rawHeaders }) => {
    if (stream.destroyed || stream.headersSent) return;
    orReset(stream, () => stream.additionalHeaders(responseFields(statusCode, rawHeaders)));
  });
  onward.on("response", (answer) => {
    // Over HTTP/2 any success would say that the WebSocket is open.
    const fits = key === undefined || !isSuccess(answer);
    orReset(stream, () => {
      if (fits) passAnswer(stream, answer, request.method, traffic);
      else refuseUpgrade(stream, "The target does not speak WebSocket at this address.");
    });
  });
  onward.on("upgrade", (answer, upgraded, head) => {
    if (key === undefined || answer.headers["sec-websocket-accept"] !== acceptOf(key)) {
      socket.resetAndDestroy();
      refuseUpgrade(stream, "The target's WebSocket handshake is not valid.");
    } else {
      orReset(stream, () => openWebSocket(stream, answer, { upgraded, head, traffic }));
    }
  });
  stream.on("close", () => socket.resetAndDestroy());
  // What is wrong with the header is thrown here, where somebody catches it, and not with the first bytes.
  onward.flushHeaders();
  if (key === undefined) sendBody(stream, onward, traffic);
  else onward.end();
}

function onwardFields(
  stream: ServerHttp2Stream,
  { fields }: StreamRequest,
  key: string | undefined,
): readonly string[] {
  if (key !== undefined) {
    // RFC 8441 §5: key and accept belong to HTTP/1.1 only; the version goes on.
    const version = hasField(fields, "sec-websocket-version") ? [] : ["Sec-WebSocket-Version", "13"];
    return [...fields, ...version, "Sec-WebSocket-Key", key, ...UPGRADE];
  }
  const bare = stream.endAfterHeaders || hasField(fields, "content-length");
  if (bare) return withoutField(fields, "trailer");
  return [...fields, "Transfer-Encoding", "chunked"];
}

/** Without chunks there is no place for trailers. */
function withoutField(fields: readonly string[], name: string): readonly string[] {
  return hasField(fields, name) ? fields.filter((_, index) => fields[index - (index % 2)] !== name) : fields;
}

function hasField(fields: readonly string[], name: string): boolean {
  return fields.some((field, index) => index % 2 === 0 && field === name);
}

const UPGRADE = ["Connection", "Upgrade", "Upgrade", "websocket"];

/** RFC 6455 §4.2.2. */
function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function sendBody(stream: ServerHttp2Stream, onward: ClientRequest, traffic: StreamTraffic): void {
  if (stream.endAfterHeaders) {
    onward.end();
    return;
  }
  stream.on("trailers", (_, __, raw) => orReset(stream, () => onward.addTrailers(pairs(raw))));
  carry(stream, onward, traffic);
}

function passAnswer(
  stream: ServerHttp2Stream,
  answer: IncomingMessage,
  method: string,
  traffic: StreamTraffic,
): void {
  if (stream.destroyed || stream.closed) {
    answer.destroy();
    return;
  }
  const status = answer.statusCode ?? 502;
  const endStream = method === "HEAD" || status === 204 || status === 304;
  const chunked = answer.headers["transfer-encoding"] !== undefined;
  stream.respond(responseFields(status, answer.rawHeaders), {
    endStream,
    waitForTrailers: chunked && !endStream,
  });
  answer.on("error", () => reset(stream));
  if (endStream) {
    answer.resume();
    return;
  }
  stream.on("wantTrailers", () => orReset(stream, () => stream.sendTrailers(trailersOf(answer))));
  carry(answer, stream, traffic);
  answer.on("end", () => stopReading(stream));
}

/** RFC 9113 §8.1: with the whole answer sent, what the client has still to send is of no use. */
function stopReading(stream: ServerHttp2Stream): void {
  stream.once("finish", () => {
    if (!stream.readableEnded && !stream.endAfterHeaders) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}

function trailersOf(answer: IncomingMessage): OutgoingHttpHeaders {
  const { ":status": _, ...trailers } = responseFields(0, answer.rawTrailers);
  return trailers;
}

const WITHOUT_ACCEPT: ReadonlySet<string> = new Set(["sec-websocket-accept"]);

function openWebSocket(
  stream: ServerHttp2Stream,
  answer: IncomingMessage,
  { upgraded, head, traffic }: { upgraded: Duplex; head: Buffer; traffic: StreamTraffic },
): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond(responseFields(200, answer.rawHeaders, WITHOUT_ACCEPT));
  upgraded.on("error", () => reset(stream));
  upgraded.on("close", () => {
    if (!stream.writableEnded) reset(stream);
  });
  if (head.length > 0) upgraded.unshift(head);
  carry(stream, upgraded, traffic);
  carry(upgraded, stream, traffic);
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

function refuseUpgrade(stream: ServerHttp2Stream, reason: string): void {
  if (stream.destroyed || stream.closed) return;
  const error = new ProxyError("bad_response", reason);
  stream.respond({ ":status": 502, "proxy-status": proxyStatusValue(error) }, { endStream: true });
}

/** Pipes, counting what is on the stream's side. The end goes on as the end, a break as nothing. */
function carry(
  from: NodeJS.ReadableStream,
  to: NodeJS.WritableStream & { readonly writableEnded?: boolean },
  traffic: StreamTraffic,
): void {
  from.on("data", (chunk: Buffer) => {
    traffic.add(chunk.length);
  });
  from.pipe(to);
}

/** Whatever a target or a client has written must not throw out of a listener: that would end the process. */
function orReset(stream: ServerHttp2Stream, act: () => void): void {
  try {
    act();
  } catch {
    reset(stream);
  }
}

function reset(stream: ServerHttp2Stream): void {
  breakStream(stream, constants.NGHTTP2_INTERNAL_ERROR);
}

function pairs(raw: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2)
    found.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  return found;
}
