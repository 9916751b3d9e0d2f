import type { Packet } from "./packet.ts";

/** A TCP connection as the wire saw it: bytes by sequence numbers, so that what was sent twice counts once. */
export interface Conversation {
  /** Who sent the first SYN. */
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  /** Payload bytes from client to server. */
  readonly sentBytes: number;
  /** Payload bytes from server to client. */
  readonly receivedBytes: number;
  /** Who spoke, in order, and how many bytes before the other one did: a handshake is the first few turns. */
  readonly turns: readonly Turn[];
}

export interface Turn {
  readonly by: "client" | "server";
  readonly bytes: number;
}

interface Direction {
  readonly by: Turn["by"];
  initial: number | undefined;
  bytes: number;
}

interface Open {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  readonly sent: Direction;
  readonly received: Direction;
  readonly turns: { by: Turn["by"]; bytes: number }[];
}

/**
 * Puts captured packets together to TCP connections. Connections whose SYN was not captured are left out;
 * a direction of 4 GiB or more is counted wrong, because sequence numbers wrap there.
 */
export function conversations(packets: Iterable<Packet>): Conversation[] {
  const all: Open[] = [];
  const live = new Map<string, Open>();
  for (const packet of packets) {
    const { tcp, sourcePort, destinationPort } = packet;
    if (tcp === null || sourcePort === null || destinationPort === null) continue;
    const source = `${packet.source} ${sourcePort}`;
    const destination = `${packet.destination} ${destinationPort}`;
    if (tcp.syn && !tcp.ack && live.get(`${source} ${destination}`)?.sent.initial !== tcp.sequence) {
      const open = openConversation(packet, sourcePort, destinationPort);
      live.set(`${source} ${destination}`, open);
      all.push(open);
    }
    const forward = live.get(`${source} ${destination}`);
    const backward = live.get(`${destination} ${source}`);
    if (forward) account(forward, forward.sent, packet, tcp);
    else if (backward) account(backward, backward.received, packet, tcp);
  }
  return all.map(({ sent, received, ...ends }) => ({
    ...ends,
    sentBytes: sent.bytes,
    receivedBytes: received.bytes,
  }));
}

function openConversation(packet: Packet, clientPort: number, serverPort: number): Open {
  return {
    client: packet.source,
    clientPort,
    server: packet.destination,
    serverPort,
    sent: { by: "client", initial: undefined, bytes: 0 },
    received: { by: "server", initial: undefined, bytes: 0 },
    turns: [],
  };
}

function account(open: Open, direction: Direction, packet: Packet, tcp: NonNullable<Packet["tcp"]>): void {
  if (tcp.syn) direction.initial ??= tcp.sequence;
  if (direction.initial === undefined || packet.payloadBytes === 0) return;
  // The first byte has the number after the SYN's (RFC 9293 section 3.4); arithmetic is modulo 2^32.
  const end = ((tcp.sequence - direction.initial - 1) >>> 0) + packet.payloadBytes;
  const fresh = end - direction.bytes;
  if (fresh <= 0) return;
  direction.bytes = end;
  const turn = open.turns.at(-1);
  if (turn?.by === direction.by) turn.bytes += fresh;
  else open.turns.push({ by: direction.by, bytes: fresh });
}
