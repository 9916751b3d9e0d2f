import type { Socket } from "node:net";

/** Who uses an upstream connection at the moment. */
export interface UpstreamUser {
  onUpstreamData(chunk: Buffer): void;
  onUpstreamEnd(): void;
  onUpstreamDrain(): void;
  /** After this the connection is of no more use. */
  onUpstreamClose(error: Error | undefined): void;
}

/**
 * A connection through an exit to a target that carries one request after the other. Its listeners stay for its
 * life; who they speak to changes with every user.
 */
export class UpstreamConnection {
  readonly socket: Socket;
  /** The credential, exit, session and target that it belongs to. */
  readonly key: string;
  /** Answers it has given so far. */
  answers = 0;
  idleSince = 0;
  user: UpstreamUser | undefined;
  #error: Error | undefined;

  constructor(socket: Socket, key: string) {
    this.socket = socket;
    this.key = key;
    socket.on("data", (chunk: Buffer) => {
      // Nobody asked: an answer out of turn must not become someone's answer.
      if (this.user === undefined) socket.destroy();
      else this.user.onUpstreamData(chunk);
    });
    socket.on("end", () => (this.user === undefined ? socket.destroy() : this.user.onUpstreamEnd()));
    socket.on("drain", () => this.user?.onUpstreamDrain());
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      const { user } = this;
      this.user = undefined;
      user?.onUpstreamClose(this.#error);
    });
    socket.resume();
  }

  /** Gives the socket to another kind of carrier: nothing here listens any longer. */
  release(): Socket {
    this.user = undefined;
    this.socket.pause();
    this.socket.removeAllListeners("data");
    this.socket.removeAllListeners("end");
    this.socket.removeAllListeners("drain");
    return this.socket;
  }
}
