import type { Socket } from "node:net";

/** Closes with RST, so that nobody takes it for a clean end; a socket whose FIN is under way can only be closed. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv refuses to reset a socket that is shutting down, and Node would then never close it.
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
