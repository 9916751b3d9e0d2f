import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from "dns-packet";

export interface Place {
  readonly host: string;
  readonly port: number;
}

const TIMEOUT_MS = 30_000;
/** A packet that a full queue dropped is sent again, as every client does. */
const AGAIN_MS = 3_000;

/** A query as another library writes it. */
export function queryFor(name: string, type = "A", parts: Partial<Packet> = {}): Buffer {
  return encode({
    type: "query",
    id: 4_711,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: type as "A" }],
    ...parts,
  });
}

/** Sends a packet over UDP, and gives the answer as it came. */
export async function exchangeUdp({ host, port }: Place, packet: Buffer): Promise<Buffer> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  socket.once("message", resolve);
  socket.once("error", reject);
  const timer = setTimeout(() => reject(new Error("No answer came over UDP.")), TIMEOUT_MS);
  const send = () => socket.send(packet, port, host);
  send();
  const again = setInterval(send, AGAIN_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearInterval(again);
    socket.close();
  }
}

/** Sends messages over one TCP connection, and gives as many answers. */
export async function exchangeTcp({ host, port }: Place, packets: readonly Buffer[]): Promise<Buffer[]> {
  const socket = connect(port, host);
  const answers: Buffer[] = [];
  let held = Buffer.alloc(0);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
  const timer = setTimeout(() => reject(new Error("Not all answers came over TCP.")), TIMEOUT_MS);
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("The resolver closed the connection.")));
  socket.on("data", (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const end = 2 + held.readUInt16BE(0);
      answers.push(held.subarray(2, end));
      held = held.subarray(end);
    }
    if (answers.length === packets.length) resolve(answers);
  });
  for (const packet of packets) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    socket.write(Buffer.concat([length, packet]));
  }
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Asks over UDP. */
export async function ask(
  place: Place,
  name: string,
  type = "A",
  parts: Partial<Packet> = {},
): Promise<DecodedPacket> {
  return decode(await exchangeUdp(place, queryFor(name, type, parts)));
}

/** The result code of an answer, as a number. */
export function rcodeOf(packet: DecodedPacket): number {
  return (packet.flags ?? 0) & 0xf;
}
