import { Finding, shown } from "../finding.ts";

/** One field line; the name in lower case, the value without the white space around it. */
export type FieldLine = readonly [name: string, value: string];

/** A whole HTTP/1.x message as a strict reader takes it from a connection. */
export interface Message {
  readonly startLine: string;
  readonly fields: readonly FieldLine[];
  /** The header section as it came, without its empty line. */
  readonly head: string;
  /** Without the chunks' frames. */
  readonly body: Buffer;
  readonly trailers: readonly FieldLine[];
  readonly chunked: boolean;
  /** False when the connection ended before the message did; always true of a body that the end delimits. */
  readonly complete: boolean;
  /** How many bytes of the buffer it took. */
  readonly used: number;
}

export interface Request extends Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
}

export interface Response extends Message {
  readonly status: number;
  readonly version: string;
}

/** All values of a field, joined as a list (RFC 9110 §5.3); undefined when it is not there. */
export function fieldOf(
  message: { readonly fields: readonly FieldLine[] },
  name: string,
): string | undefined {
  const values = message.fields.filter(([each]) => each === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(", ");
}

/**
 * Reads a request at the front of the bytes; undefined while it is not all there.
 * @throws Finding when it is not one that a strict reader accepts, or its length is in doubt
 */
export function readRequest(bytes: Buffer, over = false): Request | undefined {
  const head = readHead(bytes);
  if (head === undefined) return undefined;
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) (HTTP\/1\.[01])$/.exec(head.startLine);
  if (!match)
    throw new Finding(`The origin got a request line that cannot be read: ${shown(head.startLine)}`);
  const body = readBody(bytes, head, "request", over);
  if (body === undefined) return undefined;
  const [, method = "", target = "", version = ""] = match;
  return { ...head, ...body, method, target, version };
}

export interface ResponseOptions {
  /** Whether it answers HEAD, or is a 2xx to CONNECT: then there is no body whatever the fields say. */
  readonly bodiless?: boolean;
  /** Whether the connection has ended: then that may be where the body ends. */
  readonly over?: boolean;
}

/**
 * Reads a response at the front of the bytes; undefined while it is not all there.
 * @throws Finding when it is not one that a strict reader accepts
 */
export function readResponse(bytes: Buffer, { bodiless, over }: ResponseOptions = {}): Response | undefined {
  const head = readHead(bytes);
  if (head === undefined) return undefined;
  const match = /^(HTTP\/1\.[01]) ([1-5]\d\d)(?: [^\0\r\n]*)?$/.exec(head.startLine);
  if (!match) throw new Finding(`The client got a status line that cannot be read: ${shown(head.startLine)}`);
  const status = Number(match[2]);
  const none = bodiless === true || status < 200 || status === 204 || status === 304;
  const body = readBody(bytes, head, none ? "none" : "response", over === true);
  return body && { ...head, ...body, status, version: match[1] ?? "" };
}

interface Head {
  readonly startLine: string;
  readonly fields: readonly FieldLine[];
  readonly head: string;
  readonly size: number;
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const [startLine = "", ...lines] = head.split("\r\n");
  return { startLine, head, fields: lines.map(readField), size: end + 4 };
}

function readField(line: string): FieldLine {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/s.exec(line);
  if (!match || /[\0\r\n]/.test(line)) {
    throw new Finding(`A field line was sent on that no strict reader takes: ${shown(line)}`);
  }
  return [(match[1] ?? "").toLowerCase(), match[2] ?? ""];
}

type Body = Pick<Message, "body" | "trailers" | "chunked" | "complete" | "used">;

function readBody(
  bytes: Buffer,
  head: Head,
  kind: "request" | "response" | "none",
  over: boolean,
): Body | undefined {
  const coding = fieldOf(head, "transfer-encoding");
  const length = fieldOf(head, "content-length");
  if (kind === "none") return whole(bytes.subarray(0, 0), head.size);
  if (coding !== undefined && length !== undefined) {
    throw new Finding(
      `A message has both Transfer-Encoding and Content-Length, so its end is in doubt: ${shown(head.head)}`,
    );
  }
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") {
      throw new Finding(`A message's transfer coding is not plainly chunked: ${shown(coding)}`);
    }
    return readChunks(bytes, head.size, over);
  }
  if (length !== undefined) {
    if (!/^\d+$/.test(length))
      throw new Finding(`A message's length is not one plain number: ${shown(length)}`);
    const end = head.size + Number(length);
    if (bytes.length < end) return over ? cutOff(bytes, head.size, false) : undefined;
    return whole(bytes.subarray(head.size, end), end);
  }
  if (kind === "request") return whole(bytes.subarray(0, 0), head.size);
  return over ? whole(bytes.subarray(head.size), bytes.length) : undefined;
}

function whole(body: Buffer, used: number): Body {
  return { body, used, trailers: [], chunked: false, complete: true };
}

function cutOff(bytes: Buffer, from: number, chunked: boolean): Body {
  return { body: bytes.subarray(from), used: bytes.length, trailers: [], chunked, complete: false };
}

function readChunks(bytes: Buffer, from: number, over: boolean): Body | undefined {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) break;
    const line = bytes.toString("latin1", at, end);
    const size = /^[0-9A-Fa-f]{1,13}(?:[ \t]*;.*)?$/.test(line) ? Number.parseInt(line, 16) : Number.NaN;
    if (Number.isNaN(size)) throw new Finding(`A chunk begins with what is no chunk size: ${shown(line)}`);
    if (size === 0) {
      const trailers = readTrailers(bytes, end + 2);
      if (trailers === undefined) break;
      return { body: Buffer.concat(parts), ...trailers, chunked: true, complete: true };
    }
    const after = end + 2 + size;
    if (bytes.length < after + 2) break;
    if (bytes.toString("latin1", after, after + 2) !== "\r\n")
      throw new Finding("A chunk is longer than it says.");
    parts.push(bytes.subarray(end + 2, after));
    at = after + 2;
  }
  return over ? cutOff(bytes, from, true) : undefined;
}

function readTrailers(bytes: Buffer, from: number): { trailers: FieldLine[]; used: number } | undefined {
  const trailers: FieldLine[] = [];
  let at = from;
  for (;;) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    if (end === at) return { trailers, used: end + 2 };
    trailers.push(readField(bytes.toString("latin1", at, end)));
    at = end + 2;
  }
}
