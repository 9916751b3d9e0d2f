import type { Socket } from "node:net";

/** A client that sends this much before it was answered is not one of ours. */
const MAX_EARLY_BYTES = 65_536;

/** A client's socket while its request is decided: what it sends early is kept, and its going away aborts. */
export class HeldSocket {
  readonly socket: Socket;
  readonly #gone = new AbortController();
  readonly #early: Buffer[] = [];
  #earlyBytes = 0;

  constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    if (head.length > 0) this.#early.push(head);
    socket.on("data", this.#onData);
    socket.on("end", this.#onGone);
    socket.on("close", this.#onGone);
    socket.on("error", this.#onGone);
    socket.resume();
    if (socket.destroyed) this.#onGone();
  }

  /** Aborted when the client has gone, or when `abandon` was called. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Stops everything that is done for this client, and its connection. */
  abandon(): void {
    this.#gone.abort();
    this.socket.destroy();
  }

  /** Gives the socket back, paused, with what came early in front of what comes next. */
  release(): Socket {
    const { socket } = this;
    socket.off("data", this.#onData);
    socket.off("end", this.#onGone);
    socket.off("close", this.#onGone);
    socket.off("error", this.#onGone);
    socket.pause();
    if (this.#early.length > 0) socket.unshift(Buffer.concat(this.#early));
    return socket;
  }

  readonly #onGone = (): void => this.#gone.abort();

  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.abandon();
  };
}
