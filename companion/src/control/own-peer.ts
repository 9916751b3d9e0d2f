import type { Socket } from "node:net";
import { descriptorOf, peerCredentials } from "@atlantic/native";

/**
 * Whether the other end of a Unix socket is a process of this user.
 * Without the native addon the kernel cannot be asked; then the directory, which only this user can enter, decides.
 */
export function isOwnPeer(socket: Socket): boolean {
  const own = process.getuid?.();
  const fd = descriptorOf(socket);
  if (own === undefined || fd === undefined) return own === undefined;
  try {
    const peer = peerCredentials(fd);
    return peer === null || peer.uid === own;
  } catch {
    // It has gone already.
    return false;
  }
}
