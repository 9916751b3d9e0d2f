import { lstat, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { type CompanionRequest, companionRequests } from "@atlantic/shared/control/messages.ts";
import type { z } from "zod";
import { ClearError } from "../clear-error.ts";
import { ControlFailure } from "./control-failure.ts";
import { LinePeer } from "./line-peer.ts";
import { isOwnPeer } from "./own-peer.ts";

type Params<Name extends CompanionRequest> = z.input<(typeof companionRequests)[Name]["params"]>;
type Result<Name extends CompanionRequest> = z.output<(typeof companionRequests)[Name]["result"]>;

const NOT_RUNNING = "The companion is not running: start it with npm start.";

/** A program's connection to the companion, as the `atlantic` command uses it. */
export class ControlClient {
  readonly #peer: LinePeer;

  private constructor(peer: LinePeer) {
    this.#peer = peer;
  }

  /**
   * Connects and says hello.
   * @throws ClearError when no companion of this user listens there
   */
  static async open(socketPath: string, name: string, version: string): Promise<ControlClient> {
    await checkOwner(socketPath);
    const socket = await connected(socketPath);
    if (!isOwnPeer(socket)) throw foreign(socketPath);
    const peer = new LinePeer(socket, {
      ask: async () => {
        throw new ControlFailure("unknown_request", "A command answers no requests.");
      },
      tell: () => {},
    });
    const client = new ControlClient(peer);
    await client.request("hello", { client: { kind: "cli", name, version } });
    return client;
  }

  /** @throws ControlFailure */
  async request<Name extends CompanionRequest>(name: Name, params: Params<Name>): Promise<Result<Name>> {
    const reply = companionRequests[name].result.safeParse(await this.#peer.ask(name, params));
    if (reply.success) return reply.data as Result<Name>;
    throw new ControlFailure("malformed", "The companion's reply cannot be read: it is of another version.");
  }

  close(): void {
    this.#peer.close();
  }
}

/** Another user's socket in a shared temporary directory could pass for the companion. */
async function checkOwner(socketPath: string): Promise<void> {
  const own = process.getuid?.();
  if (own === undefined) return;
  const [socket, directory] = await Promise.all([lstat(socketPath), stat(dirname(socketPath))]).catch(
    (cause) => {
      throw new ClearError(NOT_RUNNING, { cause });
    },
  );
  if (socket.isSocket() && socket.uid === own && directory.uid === own) return;
  throw foreign(socketPath);
}

function foreign(socketPath: string): ClearError {
  return new ClearError(
    `${socketPath} belongs to another user, so it is not used: remove it, then run npm start.`,
  );
}

function connected(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once("error", (cause) => reject(new ClearError(NOT_RUNNING, { cause })));
    socket.once("connect", () => resolve(socket));
  });
}
