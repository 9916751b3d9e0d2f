import type { Socket } from "node:net";
import type { SocksPart } from "./socks-handshake.ts";

const HANDSHAKE_MS = 10_000;

/** The longest handshake: a login of 513 bytes and a request of 262, with room to spare. */
const MAX_HANDSHAKE_BYTES = 2_048;

/** Takes the parts of a handshake off a socket, however they are cut. */
export class HandshakeReader {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
    socket.on("data", this.#onData);
    socket.on("end", this.#onGone);
    socket.on("close", this.#onGone);
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** `undefined` when the client was refused, or has gone. */
  async next<Value>(read: (bytes: Buffer) => SocksPart<Value>): Promise<Value | undefined> {
    for (;;) {
      const part = read(this.#received);
      if (part.kind === "refused") return void this.refuse(part.answer);
      if (part.kind === "read") {
        this.#received = this.#received.subarray(part.used);
        return part.value;
      }
      if (this.#gone.signal.aborted || this.#received.length > MAX_HANDSHAKE_BYTES) {
        return void this.#socket.destroy();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  refuse(answer: Buffer): void {
    this.release();
    this.#socket.resume();
    this.#socket.end(answer, () => this.#socket.destroySoon());
  }

  /** The socket, and what came behind the handshake. */
  release(): [Socket, Buffer] {
    clearTimeout(this.#timer);
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onGone);
    this.#socket.off("close", this.#onGone);
    this.#socket.pause();
    return [this.#socket, this.#received];
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#wake();
  };

  readonly #onGone = (): void => {
    this.#gone.abort();
    this.#wake();
  };
}
