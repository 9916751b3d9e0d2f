import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** What the exit's other end saw of one target address; each connection of the load has an address of its own. */
export interface SiteWitness {
  arrived: number;
  sent: number;
  /** Whether a reset may have taken bytes away that had arrived and were not read. */
  wasReset: boolean;
}

/**
 * Every address of 127.0.0.0/8 on one port. What begins like HTTP is answered as HTTP; with everything else, small
 * pieces go on being sent until the other side has ended and a while after that.
 */
export class WitnessSite {
  readonly witnesses = new Map<string, SiteWitness>();
  readonly #sockets = new Map<Socket, SiteWitness>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "0.0.0.0", 4_096);
    await once(this.#server, "listening");
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** What was seen of an address by now. */
  seen(address: string): SiteWitness | undefined {
    const base = this.witnesses.get(address);
    if (base === undefined) return undefined;
    const now = { ...base };
    for (const [socket, witness] of this.#sockets) {
      if (witness !== base) continue;
      now.arrived += socket.bytesRead;
      now.sent += socket.bytesWritten;
    }
    return now;
  }

  close(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#server.close();
  }

  #take(socket: Socket): void {
    const address = socket.localAddress ?? "";
    const witness = this.witnesses.get(address) ?? { arrived: 0, sent: 0, wasReset: false };
    this.witnesses.set(address, witness);
    this.#sockets.set(socket, witness);
    let isTunnel = false;
    const timer = setInterval(() => {
      if (isTunnel) socket.write(Buffer.alloc(1 + Math.floor(Math.random() * 4_000)));
    }, 15);
    socket.on("error", () => {
      witness.wasReset = true;
    });
    let head = "";
    socket.on("data", (chunk) => {
      if (isTunnel) return;
      head += chunk.toString("latin1");
      if (!head.startsWith("GET ")) isTunnel = true;
      for (let end = head.indexOf("\r\n\r\n"); !isTunnel && end >= 0; end = head.indexOf("\r\n\r\n")) {
        head = head.slice(end + 4);
        const body = "x".repeat(Math.floor(Math.random() * 3_000));
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
    });
    socket.once("end", () => setTimeout(() => socket.end(), Math.random() * 200));
    socket.once("close", () => {
      clearInterval(timer);
      witness.arrived += socket.bytesRead;
      witness.sent += socket.bytesWritten;
      this.#sockets.delete(socket);
    });
  }
}
