import { ProxyError, type ProxyErrorCode } from "@atlantic/shared/errors.ts";

/** The header section of a message, strictly as RFC 9112 §2–5 has it. */
export interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
}

export interface Field {
  /** As it was received. */
  readonly name: string;
  readonly lower: string;
  /** Without the white space around it; bytes as Latin-1. */
  readonly value: string;
}

export interface HeadLimits {
  readonly bytes: number;
  readonly fields: number;
}

export const REQUEST_HEAD_LIMITS: HeadLimits = { bytes: 16_384, fields: 100 };
export const RESPONSE_HEAD_LIMITS: HeadLimits = { bytes: 65_536, fields: 256 };
const MAX_START_LINE = 8_192;

const CR = 0x0d;
const LF = 0x0a;

/**
 * Where the header section that begins at 0 ends, its empty line included; -1 while it is not all there.
 * @throws ProxyError when it is too large, or a line in it ends without CR
 */
export function findHeadEnd(bytes: Buffer, limits: HeadLimits): number {
  const end = bytes.indexOf("\r\n\r\n");
  const size = end < 0 ? bytes.length : end + 4;
  if (size > limits.bytes) throw new ProxyError(tooLarge(bytes));
  if (end < 0) refuseBareLineFeed(bytes);
  return end < 0 ? -1 : end + 4;
}

function tooLarge(bytes: Buffer): ProxyErrorCode {
  const line = bytes.indexOf("\r\n");
  return line < 0 || line > MAX_START_LINE ? "uri_too_long" : "header_too_large";
}

/** A head whose lines end in a bare LF would otherwise be waited for until the time-out. */
function refuseBareLineFeed(bytes: Buffer): void {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) throw new ProxyError("malformed_request", "A line ends without CR.");
  }
}

/**
 * Reads a header section, given without its final empty line.
 * @throws ProxyError `malformed_request`, `uri_too_long` or `header_too_large`
 */
export function parseHead(text: string, limits: HeadLimits): Head {
  const lineEnd = endOfLine(text, 0);
  if (lineEnd > MAX_START_LINE) throw new ProxyError("uri_too_long");
  const startLine = text.slice(0, lineEnd);
  refuseControls(startLine);
  const fields: Field[] = [];
  let at = lineEnd + 2;
  while (at < text.length) {
    const end = endOfLine(text, at);
    fields.push(parseField(text, at, end));
    if (fields.length > limits.fields) throw new ProxyError("header_too_large");
    at = end + 2;
  }
  return { startLine, fields };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\r\n", from);
  return end < 0 ? text.length : end;
}

function parseField(text: string, start: number, end: number): Field {
  const colon = text.indexOf(":", start);
  if (colon < 0 || colon > end) throw new ProxyError("malformed_request", "A header field has no colon.");
  const name = text.slice(start, colon);
  const lower = lowerName(name);
  if (lower === undefined) {
    throw new ProxyError(
      "malformed_request",
      "The name of a header field has characters that no name may have.",
    );
  }
  let from = colon + 1;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  const value = text.slice(from, to);
  refuseControls(value);
  return { name, lower, value };
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Everything below the space but the tab, and DEL: CR, LF and NUL among them (RFC 9110 §5.5). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
const controls = /[\x00-\x08\x0a-\x1f\x7f]/;

function refuseControls(text: string): void {
  if (controls.test(text)) throw new ProxyError("malformed_request", "The header has control characters.");
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Names repeat from request to request: each is checked and lower-cased once. */
const knownNames = new Map<string, string>();
const MAX_KNOWN_NAMES = 2_000;

function lowerName(name: string): string | undefined {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!token.test(name)) return undefined;
  const lower = name.toLowerCase();
  if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, lower);
  return lower;
}

/** Whether the text is a token (RFC 9110 §5.6.2), as methods are. */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** The members of a comma-separated list, lower-cased; only space and tab stand around them (RFC 9110 §5.6.1). */
export function listMembers(value: string): string[] {
  return value
    .toLowerCase()
    .split(",")
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
}
