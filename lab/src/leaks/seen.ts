import type { Frame } from "../capture/pcap.ts";

/** One frame outside, as far as naming it needs. */
export interface Seen {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly sourceMac: string;
  readonly vlans: readonly number[];
  readonly etherType: number;
  readonly ip: SeenPacket | null;
  /** The IPv4 address that an ARP frame speaks for. */
  readonly arpSender: string | null;
}

export interface SeenPacket {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** IANA's number; extension headers of IPv6 are followed. */
  readonly protocol: number;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  readonly icmpType: number | null;
  /** Identifier of an echo or its answer. */
  readonly echoId: number | null;
  /** The packet that an ICMP error is about, as far as it is quoted. */
  readonly about: SeenPacket | null;
  readonly bytes: number;
}

const VLAN_TYPES = [0x8100, 0x88a8];
/** Hop-by-hop, routing, fragment, destination options (RFC 8200 §4). */
const EXTENSIONS = [0, 43, 44, 60];

/** Reads a frame of the capture; what is too short to be read is named by its type alone. */
export function readSeen({ at, bytes }: Frame): Seen {
  const sourceMac = [...bytes.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  const vlans: number[] = [];
  let offset = 12;
  while (VLAN_TYPES.includes(bytes.readUInt16BE(offset))) {
    vlans.push(bytes.readUInt16BE(offset + 2) & 0xfff);
    offset += 4;
  }
  const etherType = bytes.readUInt16BE(offset);
  const body = bytes.subarray(offset + 2);
  const arpSender = etherType === 0x0806 ? [...body.subarray(14, 18)].join(".") : null;
  return { at, sourceMac, vlans, etherType, ip: readIp(etherType, body), arpSender };
}

function readIp(etherType: number, packet: Buffer): SeenPacket | null {
  try {
    if (etherType === 0x0800) return readIp4(packet);
    if (etherType === 0x86dd) return readIp6(packet);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

function readIp4(packet: Buffer): SeenPacket {
  const address = (offset: number) => [...packet.subarray(offset, offset + 4)].join(".");
  const body = packet.subarray((packet.readUInt8(0) & 0x0f) * 4);
  const base = {
    family: 4 as const,
    source: address(12),
    destination: address(16),
    bytes: packet.readUInt16BE(2),
  };
  // Only the first fragment has ports.
  const later = (packet.readUInt16BE(6) & 0x1fff) !== 0;
  return { ...base, ...readBody(packet.readUInt8(9), later ? Buffer.alloc(0) : body) };
}

function readIp6(packet: Buffer): SeenPacket {
  const address = (offset: number) => {
    const groups = Array.from({ length: 8 }, (_, at) => packet.readUInt16BE(offset + at * 2).toString(16));
    return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
  };
  let protocol = packet.readUInt8(6);
  let offset = 40;
  while (EXTENSIONS.includes(protocol)) {
    const next = packet.readUInt8(offset);
    offset += protocol === 44 ? 8 : (packet.readUInt8(offset + 1) + 1) * 8;
    protocol = next;
  }
  const bytes = packet.readUInt16BE(4) + 40;
  const base = { family: 6 as const, source: address(8), destination: address(24), bytes };
  return { ...base, ...readBody(protocol, packet.subarray(offset)) };
}

type Body = Pick<SeenPacket, "protocol" | "sourcePort" | "destinationPort" | "icmpType" | "echoId" | "about">;

/** ICMP and ICMPv6 types that quote a packet (RFC 792, RFC 4443). */
const ERRORS: Readonly<Record<number, readonly number[]>> = { 1: [3, 4, 5, 11, 12], 58: [1, 2, 3, 4] };

function readBody(protocol: number, body: Buffer): Body {
  const none = {
    protocol,
    sourcePort: null,
    destinationPort: null,
    icmpType: null,
    echoId: null,
    about: null,
  };
  if ((protocol === 6 || protocol === 17) && body.length >= 4)
    return { ...none, sourcePort: body.readUInt16BE(0), destinationPort: body.readUInt16BE(2) };
  if ((protocol === 1 || protocol === 58) && body.length >= 1) {
    const icmpType = body.readUInt8(0);
    const isEcho = (protocol === 1 ? [0, 8] : [128, 129]).includes(icmpType) && body.length >= 6;
    const about = ERRORS[protocol]?.includes(icmpType)
      ? readIp(protocol === 1 ? 0x0800 : 0x86dd, body.subarray(8))
      : null;
    return { ...none, icmpType, about, echoId: isEcho ? body.readUInt16BE(4) : null };
  }
  return none;
}

/** One line for people. */
export function describeSeen({ sourceMac, vlans, etherType, ip }: Seen): string {
  const tags = vlans.map((vlan) => `VLAN ${vlan} `).join("");
  if (!ip) return `${tags}frame of type 0x${etherType.toString(16).padStart(4, "0")} from ${sourceMac}`;
  const names: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6" };
  const name = names[ip.protocol] ?? `protocol ${ip.protocol}`;
  const port = (number: number | null) => (number === null ? "" : ` port ${number}`);
  const type = ip.icmpType === null ? "" : ` type ${ip.icmpType}`;
  const from = `${ip.source}${port(ip.sourcePort)}`;
  return `${tags}${name}${type} from ${from} to ${ip.destination}${port(ip.destinationPort)}, ${ip.bytes} bytes`;
}
