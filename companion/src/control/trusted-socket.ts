import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { servicePaths } from "../data-paths.ts";

/**
 * The user whose process must answer at a control socket; undefined when the place is not to be trusted. Ours must be
 * this user's, for another's in a shared temporary directory could pass for it. The service's may be the service's own
 * user's: only root can have made its directory, and nobody else may write there.
 */
export function ownerToExpect(socketPath: string): number | undefined {
  const own = process.getuid?.();
  const socket = lstatSync(socketPath);
  const directory = lstatSync(dirname(socketPath));
  if (!socket.isSocket() || !directory.isDirectory() || socket.uid !== directory.uid) return undefined;
  if (socketPath !== servicePaths.controlSocket) return socket.uid === own ? own : undefined;
  const isClosed = (directory.mode & 0o022) === 0;
  return isClosed ? socket.uid : undefined;
}
