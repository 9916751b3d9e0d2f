import { isIPv4, isIPv6, SocketAddress } from "node:net";

/** A datagram between a SOCKS5 client and its relay (RFC 1928 §7). */
export interface SocksDatagram {
  /** A name in lower case, or an address. */
  readonly host: string;
  readonly port: number;
  readonly payload: Buffer;
}

const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** Reads a datagram; undefined for what is to be dropped: fragments, and what cannot be read. */
export function readDatagram(bytes: Buffer): SocksDatagram | undefined {
  const [reserved, alsoReserved, fragment, kind, nameLength] = bytes;
  if (reserved !== 0 || alsoReserved !== 0 || fragment !== 0) return undefined;
  const start = kind === NAME ? 5 : 4;
  const length = kind === IPV4 ? 4 : kind === IPV6 ? 16 : kind === NAME ? nameLength : undefined;
  if (length === undefined || length === 0 || bytes.length < start + length + 2) return undefined;
  const host = readHost(kind, bytes.subarray(start, start + length));
  const port = bytes.readUInt16BE(start + length);
  if (host === undefined || port === 0) return undefined;
  return { host, port, payload: bytes.subarray(start + length + 2) };
}

function readHost(kind: number | undefined, bytes: Buffer): string | undefined {
  if (kind === IPV4) return bytes.join(".");
  if (kind === IPV6) return bytes.toString("hex").match(/.{4}/g)?.join(":");
  const name = bytes.toString("latin1");
  return /^[A-Za-z0-9._-]+$/.test(name) || isIPv6(name) ? name.toLowerCase() : undefined;
}

/** Writes a datagram's header and content. @param host an address, or a name of at most 255 bytes */
export function writeDatagram({ host, port, payload }: SocksDatagram): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0]), writeAddress(host, port), payload]);
}

/** Address and port as they stand in requests, replies and datagrams (RFC 1928 §5). */
export function writeAddress(host: string, port: number): Buffer {
  const end = Buffer.from([port >> 8, port & 0xff]);
  if (isIPv4(host)) return Buffer.concat([Buffer.from([IPV4, ...host.split(".").map(Number)]), end]);
  if (host.includes(":")) return Buffer.concat([Buffer.from([IPV6]), ipv6Bytes(host), end]);
  const name = Buffer.from(host, "latin1");
  return Buffer.concat([Buffer.from([NAME, name.length]), name, end]);
}

function ipv6Bytes(host: string): Buffer {
  const { address } = new SocketAddress({ address: host.replace(/%.*$/, ""), family: "ipv6" });
  const canonical = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const group = (high: string, low: string) => ((Number(high) << 8) | Number(low)).toString(16);
    return `${group(a, b)}:${group(c, d)}`;
  });
  const [front = "", back = ""] = canonical.split("::");
  const groups = (text: string) => text.split(":").filter(Boolean);
  const missing = 8 - groups(front).length - groups(back).length;
  const all = [...groups(front), ...new Array<string>(missing).fill("0"), ...groups(back)];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}
