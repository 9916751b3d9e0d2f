import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { Finding } from "../finding.ts";
import { PATIENCE_MS, Wire } from "./wire.ts";

/** A target whose every connection is led by the case. */
export class Origin {
  readonly wires: Wire[] = [];
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  port = 0;

  constructor() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.wires.push(new Wire(socket, "origin"));
      for (const wake of this.#waiting) wake();
    });
  }

  /** @param host default 127.0.0.1; `::` is every address that this machine has */
  async listen(host = "127.0.0.1"): Promise<this> {
    this.#server.listen({ port: 0, host });
    await once(this.#server, "listening");
    const address = this.#server.address();
    this.port = typeof address === "object" && address ? address.port : 0;
    return this;
  }

  /** `127.0.0.1:port` */
  get authority(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** How many bytes have come in, over all connections. */
  get received(): number {
    return this.wires.reduce((all, wire) => all + wire.received, 0);
  }

  /** The connection with this number, from 0; waits for it. @throws Finding when it does not come */
  async wire(index = 0, patienceMs = PATIENCE_MS): Promise<Wire> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const found = this.wires[index];
      if (found) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Finding(`The origin got no connection in ${patienceMs} ms.`);
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#waiting.delete(done);
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(done, left);
        this.#waiting.add(done);
      });
    }
  }

  close(): void {
    this.#server.close();
    for (const { socket } of this.wires) socket.destroy();
  }
}
