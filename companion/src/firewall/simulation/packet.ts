import type { Family, Protocol } from "../rule-set.ts";

/** A link, as far as rules can tell it. */
export interface SimulatedLink {
  readonly index: number;
  readonly loopback?: boolean;
  /** "bridge", "veth", or what else it is. */
  readonly kind?: string;
}

/** What becomes of a packet is decided by these, and by the rules. */
export interface Packet {
  /** What this machine sends, takes, forwards, or a frame that somebody writes to a link past the IP stack. */
  readonly path: "output" | "input" | "forward" | "frame";
  /** The link that it comes in by, of "input" and "forward". */
  readonly into: SimulatedLink;
  /** The link that it leaves by, of all but "input": routing's choice, or that of the socket. */
  readonly out: SimulatedLink;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Type and code, of ICMP. */
  readonly icmpType: number;
  readonly icmpCode: number;
  /** From the IP header on. */
  readonly bytes: number;
  readonly mark: number;
  /** What the kernel knows of the flow. */
  readonly flow: "new" | "established" | "related";
  readonly flowMark: number;
  readonly reply: boolean;
  /** Who sends; null when no socket is known. */
  readonly user: number | null;
  readonly controlGroup: string | null;
  /** It was made since the holder looked. */
  readonly newGroup: boolean;
  /** Its source is not where routing would send the answer. */
  readonly spoofed: boolean;
  /** What is written in the frame; the type of IP where it is not given. */
  readonly frameType?: number;
  /** Comes so often that every rate is exceeded. */
  readonly flood: boolean;
}

const ordinary: Packet = {
  path: "output",
  into: { index: 2 },
  out: { index: 2 },
  family: 4,
  protocol: "tcp",
  source: "192.0.2.1",
  destination: "198.51.100.9",
  sourcePort: 40_000,
  destinationPort: 443,
  icmpType: 8,
  icmpCode: 0,
  bytes: 60,
  mark: 0,
  flow: "new",
  flowMark: 0,
  reply: false,
  user: 500,
  controlGroup: "user.slice",
  newGroup: false,
  spoofed: false,
  flood: false,
};

/** An ordinary packet but for what is given. Its family is that of its destination. */
export function packet(what: Partial<Packet>): Packet {
  const destination = what.destination ?? ordinary.destination;
  const family: Family = destination.includes(":") ? 6 : 4;
  const source = family === 4 ? ordinary.source : "2001:db8::1";
  return { ...ordinary, source, family, ...what };
}

export function hasPorts(protocol: Protocol): boolean {
  return protocol === "tcp" || protocol === "udp";
}
