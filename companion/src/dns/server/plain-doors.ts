import type { Socket } from "node:dgram";
import type { TakePacket } from "./take-query.ts";
import type { UdpDoors } from "./udp-door.ts";
import { serveUdp } from "./udp-server.ts";

const NOTHING = { queries: 0, blocked: 0, cached: 0, dropped: 0 };

/** UDP in JavaScript alone: the same answers, more slowly. */
export function plainDoors(take: TakePacket): UdpDoors {
  const sockets: Socket[] = [];
  return {
    async listen(host, port) {
      sockets.push(await serveUdp(host, port, take));
    },
    use: () => {},
    answerBlocked: () => {},
    remember: () => {},
    forget: () => {},
    counts: () => NOTHING,
    close() {
      for (const socket of sockets.splice(0)) socket.close();
    },
  };
}
