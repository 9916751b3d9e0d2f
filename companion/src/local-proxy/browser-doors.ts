import { ConnectHandler, type TunnelParts } from "./connect-handler.ts";
import type { MakeDoors } from "./local-proxy.ts";
import { PlainHandler } from "./plain-handler.ts";
import { SocksHandler } from "./socks-handler.ts";

/** The doors of the proxy that browsers use: each flow is asked whose it is. */
export function browserDoors(parts: TunnelParts): MakeDoors {
  return (takeBack) => {
    const tunnels = new ConnectHandler(parts, takeBack);
    const plain = new PlainHandler(parts);
    const socks = new SocksHandler(parts);
    return {
      connect: (...asked) => tunnels.handle(...asked),
      plain: (request, response) => plain.handle(request, response),
      socks: (socket) => socks.handle(socket),
    };
  };
}
