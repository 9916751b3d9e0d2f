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
/** A browser reaches `*.localhost` here first: were it left free, another user could stand in for the companion. */
const PROXY_HOST6 = "::1";
/** How often another free port is tried, when any will do and only one of the two addresses had it. */
const FREE_PORT_TRIES = 20;

const SOCKS5 = 0x05;

/** What is done with each way of asking a proxy for something. A door that rejects has its client cut off. */
export interface ProxyDoors {
  connect(socket: Socket, head: Buffer, target: Target, authorization: string | undefined): Promise<void>;
  plain(request: IncomingMessage, response: ServerResponse): Promise<void>;
  socks(socket: Socket): Promise<void>;
}

/** Makes the doors; `takeBack` reads the next request of a connection whose CONNECT was not granted. */
export type MakeDoors = (takeBack: (socket: Socket) => void) => ProxyDoors;

/** Whether a program may use the proxy at all. One that may not is cut off without a word. */
export type Admits = (socket: Socket) => Promise<boolean>;

/** CONNECT, plain http and SOCKS5 on one port of both loopback addresses. */
export class LocalProxy {
  readonly #sockets = new Set<Socket>();
  readonly #doors: ProxyDoors;
  readonly #admits: Admits | undefined;
  readonly #http: HttpServer;
  readonly #servers: readonly [Server, Server];

  /** @param admits Default: whoever asks; the doors may want a secret. */
  constructor(makeDoors: MakeDoors, admits?: Admits) {
    this.#admits = admits;
    this.#doors = makeDoors((socket) => {
      this.#http.emit("connection", socket);
      // It was paused while its request was decided, and a parser does not start it again.
      socket.resume();
    });
    this.#http = httpServer(this.#doors);
    const server = () =>
      createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#servers = [server(), server()];
  }

  /**
   * @param port 0 for any that is free
   * @returns the port that it listens on
   * @throws ClearError when the port is taken on either address
   */
  async listen(port: number): Promise<number> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#listenOnBoth(port);
      } catch (cause) {
        if (port === 0 && tries < FREE_PORT_TRIES && codeOf(cause) === "EADDRINUSE") continue;
        throw portProblem(port, cause);
      }
    }
  }

  async close(): Promise<void> {
    const closed = Promise.all(this.#servers.map(stopListening));
    for (const socket of this.#sockets) socket.destroy();
    this.#http.closeAllConnections();
    await closed;
  }

  async #listenOnBoth(port: number): Promise<number> {
    const [server, server6] = this.#servers;
    const bound = await listenOn(server, port, PROXY_HOST);
    try {
      await listenOn(server6, bound, PROXY_HOST6);
    } catch (error) {
      // A machine without IPv6 has nobody there either.
      if (codeOf(error) !== "EADDRNOTAVAIL" && codeOf(error) !== "EAFNOSUPPORT") {
        await stopListening(server);
        throw error;
      }
    }
    return bound;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on("error", () => socket.destroy());
    if (this.#admits === undefined) this.#listenTo(socket);
    else
      this.#admits(socket).then(
        (admitted) => (admitted ? this.#listenTo(socket) : socket.resetAndDestroy()),
        () => socket.resetAndDestroy(),
      );
  }

  #listenTo(socket: Socket): void {
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

async function listenOn(server: Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, ipv6Only: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === "object" && address ? address.port : port;
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function portProblem(port: number, cause: unknown): unknown {
  if (!(cause instanceof Error) || codeOf(cause) === undefined) return cause;
  const host = "address" in cause ? String(cause.address) : PROXY_HOST;
  if (codeOf(cause) === "EADDRINUSE") {
    const sentence = `Port ${port} on ${host} is in use: end the program that holds it, or set ATLANTIC_PROXY_PORT to another.`;
    return new ClearError(sentence, { cause });
  }
  return new ClearError(`The local proxy cannot listen on ${host}:${port}: ${cause.message}.`, { cause });
}
