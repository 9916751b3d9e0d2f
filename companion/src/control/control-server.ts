import { lstatSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { PeerCredentials } from "@atlantic/native";
import { ClearError } from "../clear-error.ts";
import { makePrivateDirectory } from "../state/state-file.ts";
import { type Admission, admitted } from "./admission.ts";

/** Listens on the control socket and lets in who may. */
export class ControlServer {
  readonly #server: Server;
  readonly #admission: Admission;
  readonly #sockets = new Set<Socket>();

  constructor(admission: Admission, onConnection: (socket: Socket, peer: PeerCredentials | null) => void) {
    this.#admission = admission;
    this.#server = createServer((socket) => {
      const peer = admitted(socket, admission);
      if (peer === undefined) return void socket.destroy();
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      onConnection(socket, peer);
    });
  }

  /**
   * Makes sure that the place is ours and nobody answers there.
   * @throws ClearError when another companion listens there, or the place is not ours
   */
  async prepare(directory: string, path: string): Promise<void> {
    // That of a service is made for it, open to a group.
    if (this.#admission === "own user") makePrivateDirectory(directory);
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
    // Made with its permissions: there is no moment in which it has others.
    const before = process.umask(this.#admission === "group" ? 0o117 : 0o177);
    try {
      const listening = new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(path, resolve);
      });
      process.umask(before);
      await listening;
    } finally {
      process.umask(before);
    }
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
