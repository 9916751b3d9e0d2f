import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { descriptorOf, peerCredentials } from "@atlantic/native";
import { type CompanionRequest, companionRequests } from "@atlantic/shared/control/messages.ts";
import type { z } from "zod";
import { ClearError } from "../clear-error.ts";
import { servicePaths } from "../data-paths.ts";
import { meansService } from "../service/means-service.ts";
import { ControlFailure } from "./control-failure.ts";
import { LinePeer } from "./line-peer.ts";
import { ownerToExpect } from "./trusted-socket.ts";

type Params<Name extends CompanionRequest> = z.input<(typeof companionRequests)[Name]["params"]>;
type Result<Name extends CompanionRequest> = z.output<(typeof companionRequests)[Name]["result"]>;

const NOT_RUNNING = "The companion is not running: start it with npm start.";
const SERVICE_NOT_RUNNING =
  "Neither the service nor a companion of yours is running: sudo systemctl start atlanticd (journalctl -u atlanticd says why it ended), or npm start.";
const NOT_IN_GROUP =
  "The service may be steered by root and by members of the group atlantic: use sudo, or sudo adduser <you> atlantic and log in anew.";

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
    const owner = expectedOwner(socketPath);
    const socket = await connected(socketPath);
    if (!isAnsweredBy(socket, owner)) throw foreign(socketPath);
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

/** @throws ClearError when nobody listens there, or another user does */
function expectedOwner(socketPath: string): number | undefined {
  if (process.getuid === undefined) return undefined;
  let owner: number | undefined;
  try {
    owner = ownerToExpect(socketPath);
  } catch (cause) {
    const isForbidden = cause instanceof Error && "code" in cause && cause.code === "EACCES";
    throw new ClearError(isForbidden ? forbidden(socketPath) : notRunning(), { cause });
  }
  if (owner === undefined) throw foreign(socketPath);
  return owner;
}

/** Without the native addon the kernel cannot be asked; then the owner of the place decides. */
function isAnsweredBy(socket: Socket, owner: number | undefined): boolean {
  const fd = descriptorOf(socket);
  if (owner === undefined) return true;
  if (fd === undefined) return false;
  const peer = peerCredentials(fd);
  return peer === null || peer.uid === owner;
}

/** Who has the service installed does not start it with npm. */
function notRunning(): string {
  return meansService() ? SERVICE_NOT_RUNNING : NOT_RUNNING;
}

/** Why a socket may not even be looked at. The group is the service's, and opens nobody's own data directory. */
export function forbidden(socketPath: string): string {
  if (socketPath === servicePaths.controlSocket) return NOT_IN_GROUP;
  return `${dirname(socketPath)} is another user's, and closed to you: run this as that user, or set ATLANTIC_DATA to a data directory of your own.`;
}

function foreign(socketPath: string): ClearError {
  return new ClearError(
    `${socketPath} belongs to another user, so it is not used: remove it, then run npm start.`,
  );
}

function connected(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once("error", (cause) => reject(new ClearError(notRunning(), { cause })));
    socket.once("connect", () => resolve(socket));
  });
}
