import { createServer } from "node:net";
import type { Gateway, GatewayOptions } from "./options.ts";

/**
 * Starts the metered forward proxy: HTTP/1.1 forwarding, CONNECT and SOCKS5 on one port.
 * @throws the listen error, EADDRINUSE among them
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const server = createServer();
  server.listen(options.port, options.host);
  throw new Error("not yet");
}
