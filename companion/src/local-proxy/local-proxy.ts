import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { ClearError } from "../clear-error.ts";
import type { Target } from "./open-flows.ts";
import { parseTarget } from "./parse-target.ts";

export const PROXY_HOST = "127.0.0.1";

const SOCKS5 = 0x05;

/** What is done with each way of asking a proxy for something. A door that rejects has its client cut off. */
export interface ProxyDoors {
  connect(socket: Socket, head: Buffer, target: Target, authorization: string | undefined): Promise<void>;
  plain(request: IncomingMessage, response: ServerResponse): Promise<void>;
  socks(socket: Socket): Promise<void>;
}

/** Makes the doors; `takeBack` reads the next request of a connection whose CONNECT was not granted. */
export type MakeDoors = (takeBack: (socket: Socket) => void) => ProxyDoors;

/** CONNECT, plain http and SOCKS5 on one loopback port. */
export class LocalProxy {
  readonly #sockets = new Set<Socket>();
  readonly #doors: ProxyDoors;
  readonly #http: HttpServer;
  readonly #server: Server;

  constructor(makeDoors: MakeDoors) {
    this.#doors = makeDoors((socket) => {
      this.#http.emit("connection", socket);
      // It was paused while its request was decided, and a parser does not start it again.
      socket.resume();
    });
    this.#http = httpServer(this.#doors);
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
    if (first[0] === SOCKS5) this.#doors.socks(socket).catch(() => socket.destroy());
    else this.#http.emit("connection", socket);
    socket.resume();
  }
}

function httpServer(doors: ProxyDoors): HttpServer {
  const server = createHttpServer({ keepAliveTimeout: 60_000, maxHeaderSize: 32_768 });
  server.on("connect", (request, socket: Socket, head: Buffer) => {
    const target = parseTarget(request.url ?? "");
    if (!target) return void socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    doors.connect(socket, head, target, request.headers["proxy-authorization"]).catch(() => socket.destroy());
  });
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    doors.plain(request, response).catch(() => response.destroy());
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
