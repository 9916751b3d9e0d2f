import { ProxyError } from "@atlantic/shared/errors.ts";

/** A message at the front of what has come so far, and how many bytes it took. */
export interface Read<Message> {
  readonly message: Message;
  readonly used: number;
}

/** Readers answer `undefined` while their message is not all there; they look at nothing behind it. */
export type Reader<Message> = (bytes: Buffer) => Read<Message> | undefined;

export const VERSION = 5;

/** The client's greeting (RFC 1928 §3): the authentication methods that it offers. */
export const readGreeting: Reader<{ methods: readonly number[] }> = (bytes) => {
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + count) return undefined;
  return { message: { methods: [...bytes.subarray(2, 2 + count)] }, used: 2 + count };
};

/**
 * User name and password (RFC 1929 §2).
 * @throws ProxyError when it is of another version
 */
export const readLogin: Reader<{ username: string; password: string }> = (bytes) => {
  if (bytes[0] !== undefined && bytes[0] !== 1) {
    throw new ProxyError("wrong_credentials", "The sub-negotiation is not the one of RFC 1929.");
  }
  const username = readText(bytes, 1);
  const password = username && readText(bytes, username.end);
  if (!password) return undefined;
  return { message: { username: username.text, password: password.text }, used: password.end };
};

function readText(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const length = bytes[at];
  if (length === undefined || bytes.length < at + 1 + length) return undefined;
  return { text: bytes.toString("utf8", at + 1, at + 1 + length), end: at + 1 + length };
}

/** What a client may ask for: a connection, or an association for datagrams (RFC 1928 §7). */
export interface SocksRequest {
  readonly command: "connect" | "udp";
  /** For `udp` where the client will send from; any address and port when it does not know. */
  readonly host: string;
  readonly port: number;
}

const CONNECT = 1;
const UDP_ASSOCIATE = 3;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/**
 * The request (RFC 1928 §4).
 * @throws ProxyError `command_unsupported`, `address_type_unsupported` or `malformed_request`
 */
export const readSocksRequest: Reader<SocksRequest> = (bytes) => {
  const [version, code, , kind, nameLength] = bytes;
  if (version !== undefined && version !== VERSION) throw new ProxyError("malformed_request");
  if (code !== undefined && code !== CONNECT && code !== UDP_ASSOCIATE) {
    throw new ProxyError("command_unsupported");
  }
  if (kind === undefined) return undefined;
  const start = kind === NAME ? 5 : 4;
  const length = kind === IPV4 ? 4 : kind === IPV6 ? 16 : kind === NAME ? nameLength : -1;
  if (length === -1) throw new ProxyError("address_type_unsupported");
  if (length === undefined || bytes.length < start + length + 2) return undefined;
  const port = bytes.readUInt16BE(start + length);
  if (port === 0 && code === CONNECT)
    throw new ProxyError("malformed_request", "The target's port must be from 1 to 65535.");
  return {
    message: {
      command: code === CONNECT ? "connect" : "udp",
      host: readHost(kind, bytes.subarray(start, start + length)),
      port,
    },
    used: start + length + 2,
  };
};

function readHost(kind: number, bytes: Buffer): string {
  if (kind === IPV4) return bytes.join(".");
  if (kind === IPV6) {
    const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
    return groups.join(":");
  }
  const name = bytes.toString("latin1");
  // Some clients write an address where a name belongs, with or without the brackets of a URL.
  if (/^[A-Za-z0-9._-]+$/.test(name)) return name.toLowerCase();
  const address = /^\[?([0-9A-Fa-f:.]+)\]?$/.exec(name)?.[1];
  if (address === undefined) throw new ProxyError("malformed_request", "The target's name cannot be read.");
  return address.toLowerCase();
}

/** A reply (RFC 1928 §6) with the address that the exit's connection is bound to, where it is known. */
export function reply(code: number, bound: { address: string; port: number } = ANYWHERE): Buffer {
  const octets = /^\d+\.\d+\.\d+\.\d+$/.test(bound.address)
    ? bound.address.split(".").map(Number)
    : [0, 0, 0, 0];
  return Buffer.from([VERSION, code, 0, IPV4, ...octets, bound.port >> 8, bound.port & 0xff]);
}

const ANYWHERE = { address: "0.0.0.0", port: 0 };
