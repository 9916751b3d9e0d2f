import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A client that says exactly what it is told to, and keeps all that comes back. */
export interface RawClient {
  readonly socket: Socket;
  send(bytes: string | Buffer): void;
  /** Everything received so far. */
  received(): Buffer;
  text(): string;
  /** Resolves once the condition holds for what was received. @throws when the other side ends before */
  until(condition: (received: Buffer) => boolean): Promise<Buffer>;
  /** Resolves with everything received when the other side has ended, or broken, the connection. */
  ended(): Promise<string>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  let received: Buffer = Buffer.alloc(0);
  let over = false;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on("end", () => {
    over = true;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    over = true;
  });
  await once(socket, "connect");
  const changed = () => anyOf(socket, ["data", "end", "close"]);
  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    received: () => received,
    text: () => received.toString("latin1"),
    async until(condition) {
      while (!condition(received)) {
        if (over) throw new Error(`The connection ended after: ${received.toString("latin1")}`);
        await changed();
      }
      return received;
    },
    async ended() {
      while (!over) await changed();
      return received.toString("latin1");
    },
  };
}

/** Resolves with the first of these events, or an error, and leaves no listener behind. */
export async function anyOf(socket: Socket, names: readonly string[]): Promise<void> {
  const over = new AbortController();
  await Promise.race(names.map((name) => once(socket, name, { signal: over.signal }))).catch(() => {});
  over.abort();
}
