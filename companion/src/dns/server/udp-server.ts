import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { fitUdp } from "../wire/write-answer.ts";
import type { TakePacket } from "./take-query.ts";

/**
 * Answers DNS over UDP.
 * @throws Error when the address cannot be bound
 */
export async function serveUdp(host: string, port: number, take: TakePacket): Promise<Socket> {
  const socket = isIPv6(host) ? createSocket({ type: "udp6", ipv6Only: true }) : createSocket("udp4");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind(port, host, resolve);
  await promise;
  socket.off("error", reject);
  // An ICMP error of a client that is gone.
  socket.on("error", () => {});
  socket.on("message", async (packet, from) => {
    const taken = await take(packet);
    if (taken === undefined) return;
    const reply = Buffer.isBuffer(taken) ? taken : fitUdp(taken.query, taken.answer);
    socket.send(reply, from.port, from.address, () => {});
  });
  return socket;
}
