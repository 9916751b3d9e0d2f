import { createServer, type Socket } from "node:net";
import { portOf } from "../../port-of.ts";
import type { TakePacket } from "./take-query.ts";

export interface TcpDoor {
  readonly port: number;
  close(): void;
}

/** RFC 7766, 6.2.3: a client that says nothing is let go. */
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 256;
/** Answers that one connection may wait for at once; its next queries are read later. */
const MAX_PIPELINED = 32;

/**
 * Answers DNS over TCP (RFC 7766): each message after its length in two bytes, several at once, in the order in which the
 * answers come.
 * @throws Error when the address cannot be bound
 */
export async function serveTcp(host: string, port: number, take: TakePacket): Promise<TcpDoor> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    serveConnection(socket, take);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port, ipv6Only: true }, resolve);
  await promise;
  server.off("error", reject);
  server.on("error", () => {});
  return {
    port: portOf(server),
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function serveConnection(socket: Socket, take: TakePacket): void {
  let held: Buffer = Buffer.alloc(0);
  let waiting = 0;
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  const reply = async (packet: Buffer): Promise<void> => {
    const taken = await take(packet);
    waiting--;
    if (socket.destroyed) return;
    if (taken === undefined) socket.destroy();
    else socket.write(framed(Buffer.isBuffer(taken) ? taken : taken.answer));
    if (!socket.destroyed) read();
  };
  const read = (): void => {
    while (waiting < MAX_PIPELINED && held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const end = 2 + held.readUInt16BE(0);
      const packet = held.subarray(2, end);
      held = held.subarray(end);
      waiting++;
      void reply(packet);
    }
    if (waiting < MAX_PIPELINED) socket.resume();
    else socket.pause();
  };
  socket.on("data", (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    read();
  });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
