import { isIPv4, isIPv6, type Socket, SocketAddress } from "node:net";
import type { ProxyErrorCode } from "@atlantic/shared/errors.ts";
import { DialError } from "./dial-error.ts";
import { type DialThroughOptions, type Handshake, throughProxy } from "./proxy-handshake.ts";

interface Login {
  readonly username?: string;
  readonly password?: string;
}

const NO_AUTHENTICATION = 0x00;
const USERNAME_PASSWORD = 0x02;

/**
 * Opens a connection through a SOCKS5 proxy (RFC 1928), with RFC 1929 authentication where a user name is given.
 * Names are sent as names: the proxy resolves them.
 * @throws DialError; `refusal.status` holds the reply code
 */
export async function dialThroughSocks5(options: DialThroughOptions): Promise<{ socket: Socket }> {
  const { socket } = await throughProxy(options, socksHandshake(options.proxy, options.target));
  return { socket };
}

/** An open UDP association (RFC 1928 §7). It ends with its socket. */
export interface SocksAssociation {
  readonly socket: Socket;
  /** Where the proxy takes datagrams; the address may be the unspecified one, or a name. */
  readonly relay: { readonly host: string; readonly port: number };
}

/**
 * Asks a SOCKS5 proxy to relay datagrams, from whatever port they will come.
 * @throws DialError; `refusal.status` holds the reply code
 */
export async function associateThroughSocks5(
  options: Omit<DialThroughOptions, "target">,
): Promise<SocksAssociation> {
  const handshake = socksHandshake(options.proxy, ANYWHERE, UDP_ASSOCIATE);
  const { socket, result } = await throughProxy({ ...options, target: ANYWHERE }, handshake);
  return { socket, relay: result };
}

const CONNECT = 1;
export const UDP_ASSOCIATE = 3;
/** Datagrams will come from whatever address and port. */
export const ANYWHERE = { host: "0.0.0.0", port: 0 };

/**
 * Greeting, authentication where it is chosen, request: each answer has a place in the stream. Its result is the
 * address that the proxy names in its reply.
 */
export function socksHandshake(
  proxy: Login,
  target: DialThroughOptions["target"],
  command = CONNECT,
): Handshake<DialThroughOptions["target"]> {
  const method = proxy.username === undefined ? NO_AUTHENTICATION : USERNAME_PASSWORD;
  let stage: "greeting" | "authentication" | "request" = "greeting";
  let offset = 0;
  return {
    opening: Buffer.from([5, 1, method]),
    read(received, send) {
      if (stage === "greeting" && received.length >= offset + 2) {
        expectMethod(received, method);
        offset += 2;
        stage = method === USERNAME_PASSWORD ? "authentication" : "request";
        send(stage === "authentication" ? credentials(proxy) : request(command, target));
      }
      if (stage === "authentication" && received.length >= offset + 2) {
        if (received[offset + 1] !== 0) throw new DialError("upstream_denied");
        offset += 2;
        stage = "request";
        send(request(command, target));
      }
      if (stage !== "request") return undefined;
      const reply = received.subarray(offset);
      const used = replyLength(reply);
      return used === undefined ? undefined : { used: offset + used, result: boundAddress(reply, used) };
    },
  };
}

function expectMethod(received: Buffer, method: number): void {
  if (received[0] !== 5) throw new DialError("bad_response", "The upstream proxy does not speak SOCKS5.");
  if (received[1] !== method) throw new DialError("upstream_denied");
}

function credentials({ username = "", password = "" }: Login): Buffer {
  return Buffer.concat([Buffer.from([1]), lengthPrefixed(username), lengthPrefixed(password)]);
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new DialError("internal", "SOCKS5 carries at most 255 bytes in one field.");
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function request(command: number, { host, port }: { host: string; port: number }): Buffer {
  return Buffer.concat([Buffer.from([5, command, 0]), address(host), Buffer.from([port >> 8, port & 0xff])]);
}

function address(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([1, ...host.split(".").map(Number)]);
  if (isIPv6(host)) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)]);
  return Buffer.concat([Buffer.from([3]), lengthPrefixed(host)]);
}

/** The 16 bytes of an IPv6 address in any of its spellings. */
function ipv6Bytes(host: string): Buffer {
  const canonical = new SocketAddress({ address: host.replace(/%.*$/, ""), family: "ipv6" }).address;
  const [front = "", back] = inHex(canonical).split("::");
  const head = groups(front);
  const tail = groups(back ?? "");
  const middle = new Array<number>(8 - head.length - tail.length).fill(0);
  return Buffer.from([...head, ...middle, ...tail].flatMap((group) => [group >> 8, group & 0xff]));
}

/** Rewrites a dotted tail, as in `::ffff:192.0.2.1`, to two groups. */
function inHex(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const group = (high: string, low: string) => ((Number(high) << 8) | Number(low)).toString(16);
    return `${group(a, b)}:${group(c, d)}`;
  });
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

const codeOfReply: Record<number, ProxyErrorCode> = {
  2: "forbidden_address",
  3: "unroutable",
  4: "unroutable",
  5: "connection_refused",
  6: "connection_timeout",
};

/** The whole length of a reply that granted the request; `undefined` while it is not all there. */
function replyLength(reply: Buffer): number | undefined {
  const [version, status, , kind, nameLength] = reply;
  if (version === undefined || status === undefined) return undefined;
  if (version !== 5) throw new DialError("bad_response", "The upstream proxy does not speak SOCKS5.");
  if (status !== 0) {
    const refusal = { status, reason: "", headers: new Map<string, string>() };
    throw new DialError(codeOfReply[status] ?? "upstream_failed", undefined, { refusal });
  }
  const addressLength = kind === 1 ? 4 : kind === 4 ? 16 : kind === 3 ? 1 + (nameLength ?? 255) : undefined;
  if (kind !== undefined && addressLength === undefined) throw new DialError("bad_response");
  const length = 4 + (addressLength ?? 255) + 2;
  return reply.length >= length ? length : undefined;
}

function boundAddress(reply: Buffer, length: number): { host: string; port: number } {
  const [, , , kind] = reply;
  const bytes = reply.subarray(kind === 3 ? 5 : 4, length - 2);
  const port = reply.readUInt16BE(length - 2);
  if (kind === 1) return { host: bytes.join("."), port };
  if (kind === 3) return { host: bytes.toString("latin1"), port };
  return { host: bytes.toString("hex").match(/.{4}/g)?.join(":") ?? "", port };
}
