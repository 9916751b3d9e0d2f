import type { AddressInfo } from "node:net";
import { portOf } from "../../port-of.ts";

/** What servers of TCP, HTTP and HTTP/2 have in common. */
interface Listening {
  listen(port: number, host: string, listener: () => void): unknown;
  address(): AddressInfo | string | null;
}

/** Has a server listen on any free port, of both families. @returns the port */
export function listenAnywhere(server: Listening): Promise<number> {
  return new Promise((resolve) => server.listen(0, "::", () => resolve(portOf(server))));
}
