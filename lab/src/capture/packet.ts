/** One captured packet, as far as the lab looks into it. Addresses are in text form. */
export interface Packet {
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp" | "other";
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** Bytes that the packet carries for TCP or UDP; 0 otherwise. */
  readonly payloadBytes: number;
  readonly tcp: TcpFields | null;
}

interface TcpFields {
  readonly sequence: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
}

const protocols: Readonly<Record<number, Packet["protocol"]>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmp",
};

/** Reads an Ethernet frame. Frames that carry no IP (ARP, for one) give undefined. */
export function readFrame(frame: Buffer, at: number): Packet | undefined {
  const etherType = frame.readUInt16BE(12);
  if (etherType === 0x0800) return readIp4(frame.subarray(14), at);
  if (etherType === 0x86dd) return readIp6(frame.subarray(14), at);
  return undefined;
}

function readIp4(ip: Buffer, at: number): Packet {
  const headerBytes = (ip.readUInt8(0) & 0x0f) * 4;
  const address = (offset: number) => [...ip.subarray(offset, offset + 4)].join(".");
  const bodyBytes = ip.readUInt16BE(2) - headerBytes;
  return readTransport(ip.readUInt8(9), ip.subarray(headerBytes), bodyBytes, address(12), address(16), at);
}

/** Extension headers are not followed: no program of the lab sends any but the kernel's own multicast reports. */
function readIp6(ip: Buffer, at: number): Packet {
  const body = ip.subarray(40);
  const bodyBytes = ip.readUInt16BE(4);
  return readTransport(ip.readUInt8(6), body, bodyBytes, address6(ip, 8), address6(ip, 24), at);
}

/** RFC 5952 text, so that it compares with what people write. */
function address6(ip: Buffer, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => ip.readUInt16BE(offset + index * 2).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

function readTransport(
  number: number,
  body: Buffer,
  bodyBytes: number,
  source: string,
  destination: string,
  at: number,
): Packet {
  const protocol = protocols[number] ?? "other";
  const base = { at, source, destination, protocol };
  if (protocol === "tcp") return { ...base, ...readTcp(body, bodyBytes) };
  if (protocol === "udp") return { ...base, ...readPorts(body), payloadBytes: bodyBytes - 8, tcp: null };
  return { ...base, sourcePort: null, destinationPort: null, payloadBytes: 0, tcp: null };
}

function readPorts(body: Buffer): Pick<Packet, "sourcePort" | "destinationPort"> {
  return { sourcePort: body.readUInt16BE(0), destinationPort: body.readUInt16BE(2) };
}

function readTcp(
  body: Buffer,
  bodyBytes: number,
): Omit<Packet, "at" | "source" | "destination" | "protocol"> {
  const flags = body.readUInt8(13);
  const headerBytes = (body.readUInt8(12) >> 4) * 4;
  return {
    ...readPorts(body),
    payloadBytes: bodyBytes - headerBytes,
    tcp: {
      sequence: body.readUInt32BE(4),
      fin: (flags & 0x01) !== 0,
      syn: (flags & 0x02) !== 0,
      rst: (flags & 0x04) !== 0,
      ack: (flags & 0x10) !== 0,
    },
  };
}
