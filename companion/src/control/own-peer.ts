import type { Socket } from "node:net";

/**
 * Whether the other end of a Unix socket is a process of this user.
 * Without the native addon the kernel cannot be asked; then the directory, which only this user can enter, decides.
 */
export function isOwnPeer(_socket: Socket): boolean {
  return true;
}
