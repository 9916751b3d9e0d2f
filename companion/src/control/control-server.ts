import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { ClearError } from "../clear-error.ts";
import { makePrivateDirectory } from "../state/state-file.ts";
import { isOwnPeer } from "./own-peer.ts";

/** Listens on the control socket and lets only this user's processes in. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(onConnection: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      if (!isOwnPeer(socket)) return void socket.destroy();
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      onConnection(socket);
    });
  }

  /**
   * Makes sure that the place is ours and nobody answers there.
   * @throws ClearError when another companion listens there, or the place is not ours
   */
  async prepare(directory: string, path: string): Promise<void> {
    makePrivateDirectory(directory);
    const own = process.getuid?.();
    if (own !== undefined && lstatSync(directory).uid !== own) {
      throw new ClearError(`${directory} belongs to another user: remove it, then start again.`);
    }
    if (await isAnswered(path)) {
      throw new ClearError(
        "A companion is already running on this data directory: use that one, or end it first.",
      );
    }
  }

  async listen(path: string): Promise<void> {
    // Left behind by a companion that was killed.
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
