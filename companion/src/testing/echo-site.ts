import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createRawServer } from "node:net";
import { portOf } from "../port-of.ts";

/** What a site saw of a request. */
interface SeenRequest {
  readonly url: string;
  readonly method: string;
  readonly address: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface EchoSite {
  readonly port: number;
  readonly seen: SeenRequest[];
  close(): void;
}

/** A plain http site that keeps what it saw and answers `{address}` with where the request came from. */
export async function startEchoSite(): Promise<EchoSite> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const address = request.socket.remoteAddress ?? "";
    let body = "";
    request.setEncoding("utf8").on("data", (chunk) => {
      body += chunk;
    });
    request.on("error", () => {});
    request.on("end", () => {
      seen.push({
        url: request.url ?? "",
        method: request.method ?? "",
        address,
        headers: request.headers,
        body,
      });
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ address, body }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server),
    seen,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A site that sends back every byte, first the address that it saw and a line end. Keeps all that it was sent. */
export async function startByteSite(): Promise<{ port: number; received: Buffer[]; close(): void }> {
  const received: Buffer[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = createRawServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write(`${socket.remoteAddress}\n`);
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      socket.write(chunk);
    });
    socket.on("end", () => socket.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server),
    received,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
