import { readFileSync } from "node:fs";
import http, { type IncomingMessage } from "node:http";
import http2, { type Http2ServerRequest } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { type SiteRequest, siteRequestLine } from "./site-request.ts";

type Request = IncomingMessage | Http2ServerRequest;
/** What the answers of HTTP/1.1 and h2 have in common. */
type Response = NodeJS.WritableStream & {
  writeHead(status: number, fields: Record<string, string | number>): unknown;
};

export interface SiteOptions {
  readonly httpPort: number;
  /** TLS with h2 and HTTP/1.1, chosen by ALPN; left out when null. */
  readonly tls: { readonly port: number; readonly certificate: string; readonly key: string } | null;
  /** Called for each request, in the order of arrival. */
  readonly onRequest: (request: SiteRequest) => void;
}

export interface Site {
  readonly httpPort: number;
  readonly tlsPort: number | null;
  close(): void;
}

/**
 * The sites of the lab, all in one program:
 * `/address` tells the caller's address; `/h3` does, and offers HTTP/3 on UDP 443; `/bytes/N` sends N bytes;
 * `/echo` sends back what it got; `/ws` is a WebSocket that first tells the caller's address and then echoes;
 * in `/chat` what one says all others hear.
 */
export async function startSite(options: SiteOptions): Promise<Site> {
  const sockets = new WebSocketServer({ noServer: true });
  const room = new Set<WebSocket>();
  const answer = (request: Request, response: Response) => {
    options.onRequest(seen(request, request.httpVersionMajor === 2 ? "h2" : "http/1.1"));
    respond(request, response);
  };
  const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => {
    options.onRequest(seen(request, "websocket"));
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (request.url === "/chat") {
        enter(room, webSocket);
        return;
      }
      webSocket.send(JSON.stringify({ address: addressOf(request) }));
      webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    });
  };
  const plain = http.createServer(answer).on("upgrade", upgrade);
  await listen(plain, options.httpPort);
  const secure = options.tls && secureServer(options.tls, answer, upgrade);
  if (secure && options.tls) await listen(secure, options.tls.port);
  return {
    httpPort: portOf(plain),
    tlsPort: secure && portOf(secure),
    close() {
      sockets.close();
      plain.close();
      plain.closeAllConnections();
      secure?.close();
    },
  };
}

function secureServer(
  tls: NonNullable<SiteOptions["tls"]>,
  answer: (request: Request, response: Response) => void,
  upgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void,
): http2.Http2SecureServer {
  const pem = { cert: readFileSync(tls.certificate), key: readFileSync(tls.key) };
  const server = http2.createSecureServer({ ...pem, allowHTTP1: true }, answer);
  // Upgrades are HTTP/1.1's, which node:http2 hands on as node:http does.
  server.on("upgrade", upgrade);
  return server;
}

function enter(room: Set<WebSocket>, person: WebSocket): void {
  room.add(person);
  person.on("close", () => room.delete(person));
  person.on("message", (data, isBinary) => {
    for (const other of room) if (other !== person) other.send(data, { binary: isBinary });
  });
}

function respond(request: Request, response: Response): void {
  const url = new URL(request.url ?? "/", "http://site");
  const bytes = /^\/bytes\/(\d{1,10})$/.exec(url.pathname)?.[1];
  if (bytes !== undefined) {
    sendBytes(response, Number(bytes));
    return;
  }
  if (url.pathname === "/echo") {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    request.pipe(response);
    return;
  }
  const body = JSON.stringify({ address: addressOf(request), host: hostOf(request) });
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(url.pathname === "/h3" && { "alt-svc": 'h3=":443"; ma=3600' }),
  });
  response.end(body);
}

const block = Buffer.alloc(65_536, "atlantic");

function sendBytes(response: Response, total: number): void {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": total });
  let left = total;
  const more = () => {
    while (left > 0) {
      const part = block.subarray(0, Math.min(left, block.length));
      left -= part.length;
      if (!response.write(part)) {
        response.once("drain", more);
        return;
      }
    }
    response.end();
  };
  more();
}

function seen(request: Request, protocol: SiteRequest["protocol"]): SiteRequest {
  return {
    address: addressOf(request),
    host: hostOf(request),
    method: request.method ?? "",
    path: request.url ?? "",
    protocol,
    secure: (request.socket as Partial<TLSSocket>).encrypted === true,
    headers: Object.keys(request.headers),
  };
}

function addressOf(request: Request): string {
  return (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

function hostOf(request: Request): string {
  return String(request.headers[":authority"] ?? request.headers.host ?? "");
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The site does not listen on TCP.");
  return address.port;
}

async function listen(server: http.Server | http2.Http2SecureServer, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, () => resolve());
  });
}

/** Run as a program: `node site.ts HTTP-PORT TLS-PORT CERTIFICATE KEY`; prints each request as a line of JSON. */
if (import.meta.main) {
  const [httpPort, tlsPort, certificate, key] = process.argv.slice(2);
  if (!httpPort || !tlsPort || !certificate || !key)
    throw new Error("site.ts HTTP-PORT TLS-PORT CERTIFICATE KEY");
  await startSite({
    httpPort: Number(httpPort),
    tls: { port: Number(tlsPort), certificate, key },
    onRequest: (request) => process.stdout.write(`${siteRequestLine(request)}\n`),
  });
}
