import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { ClearError } from "../clear-error.ts";
import { ConnectHandler, type TunnelParts } from "./connect-handler.ts";
import { parseTarget } from "./parse-target.ts";
import { PlainHandler } from "./plain-handler.ts";
import { SocksHandler } from "./socks-handler.ts";

export const PROXY_HOST = "127.0.0.1";

const SOCKS5 = 0x05;

/** The proxy that browsers use: CONNECT, plain http and SOCKS5 on one loopback port. */
export class LocalProxy {
  readonly #sockets = new Set<Socket>();
  readonly #http: HttpServer;
  readonly #socks: SocksHandler;
  readonly #server: Server;

  constructor(parts: TunnelParts) {
    this.#http = httpServer(parts);
    this.#socks = new SocksHandler(parts);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * @returns the port that it listens on
   * @throws ClearError when the port is taken
   */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) => reject(portProblem(port, cause)));
      this.#server.listen(port, PROXY_HOST, resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    this.#http.closeAllConnections();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on("error", () => socket.destroy());
    socket.once("data", (first: Buffer) => this.#sort(socket, first));
  }

  /** SOCKS5 begins with its version, HTTP with a letter. */
  #sort(socket: Socket, first: Buffer): void {
    socket.pause();
    socket.unshift(first);
    if (first[0] === SOCKS5) this.#socks.handle(socket).catch(() => socket.destroy());
    else this.#http.emit("connection", socket);
    socket.resume();
  }
}

function httpServer(parts: TunnelParts): HttpServer {
  const server = createHttpServer({ keepAliveTimeout: 60_000, maxHeaderSize: 32_768 });
  const plain = new PlainHandler(parts);
  const tunnels = new ConnectHandler(parts, (socket) => {
    server.emit("connection", socket);
    // It was paused while its request was decided, and a parser does not start it again.
    socket.resume();
  });
  server.on("connect", (request, socket: Socket, head: Buffer) => {
    const target = parseTarget(request.url ?? "");
    if (!target) return void socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    tunnels
      .handle(socket, head, target, request.headers["proxy-authorization"])
      .catch(() => socket.destroy());
  });
  const handle = (...[request, response]: Parameters<PlainHandler["handle"]>) => {
    plain.handle(request, response).catch(() => response.destroy());
  };
  server.on("request", handle);
  server.on("checkContinue", handle);
  server.on("clientError", (_, socket) => socket.destroy());
  return server;
}

function portProblem(port: number, cause: Error): Error {
  if (!("code" in cause)) return cause;
  if (cause.code === "EADDRINUSE") {
    const sentence = `Port ${port} on ${PROXY_HOST} is in use: end the program that holds it, or set ATLANTIC_PROXY_PORT to another.`;
    return new ClearError(sentence, { cause });
  }
  return new ClearError(`The local proxy cannot listen on ${PROXY_HOST}:${port}: ${cause.message}.`, {
    cause,
  });
}
