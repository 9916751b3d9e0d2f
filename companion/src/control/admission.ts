import type { Socket } from "node:net";
import { descriptorOf, type PeerCredentials, peerCredentials } from "@atlantic/native";

/** Who may use a control socket. */
export type Admission =
  /** Processes of this user alone. */
  | "own user"
  /**
   * Whoever could open it: the directory lets root and the group `atlantic` in. The kernel must say who it is.
   */
  | "group";

/**
 * The process at the other end, where it is admitted; undefined where it is not. Null: it is this user's, by the
 * permissions of the directory alone, for without the native addon the kernel cannot be asked.
 */
export function admitted(socket: Socket, admission: Admission): PeerCredentials | null | undefined {
  const own = process.getuid?.();
  const fd = descriptorOf(socket);
  if (own === undefined) return null;
  if (fd === undefined) return undefined;
  try {
    const peer = peerCredentials(fd);
    if (admission === "group") return peer ?? undefined;
    return peer === null || peer.uid === own ? peer : undefined;
  } catch {
    // It has gone already.
    return undefined;
  }
}
