import type { Socket } from "node:net";
import type { ClientConnection, GatewayContext } from "./context.ts";
import { errorAnswer } from "./http/error-answer.ts";
import { HttpConnection } from "./http/http-connection.ts";
import { firstByteSays } from "./protocol-sniffer.ts";
import { SocksConnection } from "./socks5/socks-connection.ts";

/** The clients of all doors: sockets that have said nothing yet, and what they turned out to be. */
export class ClientConnections {
  readonly #connections = new Set<ClientConnection>();
  #destroyed = false;

  /** Takes a new connection in, unless its address has too many. */
  accept(socket: Socket, client: string, context: GatewayContext): void {
    const { guard } = context;
    if (!guard.accept(client)) {
      socket.destroy();
      return;
    }
    socket.once("close", () => guard.closed(client));
    this.listen(socket, client, context);
  }

  /**
   * Waits for the socket's first byte, which says what the client speaks. The socket may be any byte stream that
   * behaves like a TCP connection: one that TLS was taken from as well.
   */
  listen(socket: Socket, client: string, context: GatewayContext): void {
    const waiting = new WaitingConnection(socket, context.now() + context.limits.headerMs);
    let connection: ClientConnection = waiting;
    this.#connections.add(waiting);
    socket.once("close", () => this.#connections.delete(connection));
    socket.once("data", (first: Buffer) => {
      const kind = firstByteSays(first[0]);
      this.#connections.delete(connection);
      if (kind === "socks5") connection = new SocksConnection(socket, client, context);
      else if (kind === "http") connection = new HttpConnection(socket, client, context);
      else {
        context.told(kind);
        socket.end(errorAnswer(kind, { requestId: "-", close: true, head: false }));
        socket.once("end", () => socket.destroySoon());
      }
      this.#connections.add(connection);
      // Both have their listeners by now and read the first bytes as they would any others.
      socket.emit("data", first);
    });
    socket.once("end", () => {
      if (connection === waiting) socket.destroy();
    });
  }

  /** Looks after a connection that another door made. */
  add(connection: ClientConnection): void {
    this.#connections.add(connection);
  }

  delete(connection: ClientConnection): void {
    this.#connections.delete(connection);
  }

  checkDeadlines(now: number): void {
    for (const connection of this.#connections) connection.checkDeadline(now);
  }

  drain(): void {
    for (const connection of this.#connections) connection.drain();
  }

  /** Whether nobody is looked after any more. */
  get isDestroyed(): boolean {
    return this.#destroyed;
  }

  destroy(): void {
    this.#destroyed = true;
    for (const connection of this.#connections) connection.destroy();
  }
}

/** A socket that has not said anything yet. */
class WaitingConnection implements ClientConnection {
  readonly #socket: Socket;
  readonly #deadline: number;

  constructor(socket: Socket, deadline: number) {
    this.#socket = socket;
    this.#deadline = deadline;
  }

  checkDeadline(now: number): void {
    if (now >= this.#deadline) this.destroy();
  }

  drain(): void {
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
