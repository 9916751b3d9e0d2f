import type { Target } from "./open-flows.ts";

/** Reply codes of RFC 1928 §6. */
export const socksReply = {
  granted: 0x00,
  failed: 0x01,
  notAllowed: 0x02,
  commandUnsupported: 0x07,
  addressUnsupported: 0x08,
} as const;

export interface SocksLogin {
  readonly username: string;
  readonly password: string;
}

/** What the client has said so far, read from its first byte; `used` bytes of it. */
export type SocksPart<Value> =
  | { readonly kind: "more" }
  | { readonly kind: "read"; readonly value: Value; readonly used: number }
  | { readonly kind: "refused"; readonly answer: Buffer };

const MORE = { kind: "more" } as const;

/** Methods of RFC 1928 §3. */
export const NO_LOGIN = 0x00;
export const LOGIN = 0x02;

/** The greeting (RFC 1928 §3): one method is wanted, and no other is taken. */
export function readGreeting(bytes: Buffer, method: number): SocksPart<number> {
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + count) return MORE;
  const methods = bytes.subarray(2, 2 + count);
  if (!methods.includes(method)) return { kind: "refused", answer: Buffer.from([0x05, 0xff]) };
  return { kind: "read", value: method, used: 2 + count };
}

/** User name and password (RFC 1929 §2). */
export function readLogin(bytes: Buffer): SocksPart<SocksLogin> {
  if (bytes.length > 0 && bytes[0] !== 0x01) return { kind: "refused", answer: Buffer.from([0x01, 0x01]) };
  const nameLength = bytes[1];
  const wordLength = nameLength === undefined ? undefined : bytes[2 + nameLength];
  if (nameLength === undefined || wordLength === undefined) return MORE;
  const used = 3 + nameLength + wordLength;
  if (bytes.length < used) return MORE;
  const username = bytes.toString("utf8", 2, 2 + nameLength);
  return { kind: "read", value: { username, password: bytes.toString("utf8", 3 + nameLength, used) }, used };
}

/** The request (RFC 1928 §4): CONNECT to a name or an address. */
export function readRequest(bytes: Buffer): SocksPart<Target> {
  const [version, command, , type] = bytes;
  if (version !== undefined && version !== 0x05) return refused(socksReply.failed);
  if (type === undefined) return MORE;
  if (command !== 0x01) return refused(socksReply.commandUnsupported);
  const [start, length] = addressPlace(type, bytes);
  if (start === undefined) return refused(socksReply.addressUnsupported);
  if (length === undefined || bytes.length < start + length + 2) return MORE;
  const host = hostOf(type, bytes.subarray(start, start + length));
  const port = bytes.readUInt16BE(start + length);
  if (host === undefined || port === 0) return refused(socksReply.failed);
  return { kind: "read", value: { host, port }, used: start + length + 2 };
}

export function replyBytes(code: number): Buffer {
  return Buffer.from([0x05, code, 0x00, 0x01, 0, 0, 0, 0, 0, 0]);
}

function refused(code: number): SocksPart<never> {
  return { kind: "refused", answer: replyBytes(code) };
}

/** Where the address begins and how long it is; no beginning: an unknown type; no length: not there yet. */
function addressPlace(type: number, bytes: Buffer): readonly [number | undefined, number | undefined] {
  if (type === 0x01) return [4, 4];
  if (type === 0x04) return [4, 16];
  return type === 0x03 ? [5, bytes[4]] : [undefined, undefined];
}

function hostOf(type: number, address: Buffer): string | undefined {
  if (type === 0x01) return [...address].join(".");
  if (type === 0x04) {
    return Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16)).join(":");
  }
  const name = address.toString("latin1").toLowerCase();
  return /^[!-~\x80-\xff]+$/.test(name) && !/[/?#@:[\]]/.test(name) ? name : undefined;
}
