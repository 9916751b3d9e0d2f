import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";

/** A target on loopback that counts what its sockets carried, to the byte, headers included. */
export interface CountingOrigin {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Bytes that arrived, and that were sent, over all connections so far. */
  counted(): { arrived: bigint; sent: bigint; connections: number };
  close(): Promise<void>;
}

/** @param listener default: answers with what it was sent */
export async function startCountingOrigin(listener: RequestListener = echo): Promise<CountingOrigin> {
  const server: Server = createServer(listener);
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const sum = (pick: (socket: Socket) => number) => sockets.reduce((all, one) => all + BigInt(pick(one)), 0n);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    counted: () => ({
      arrived: sum(({ bytesRead }) => bytesRead),
      sent: sum(({ bytesWritten }) => bytesWritten),
      connections: sockets.length,
    }),
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const echo: RequestListener = (request, response) => {
  if (request.method === "GET") response.end(`You asked for ${request.url}`);
  else request.pipe(response);
};
