import type { Socket } from "node:net";

/**
 * The file descriptor of an open socket; Node keeps it in a handle that it does not document. A TLS socket has none:
 * what its handle says is the connection's below it, whose bytes are not the socket's.
 */
export function descriptorOf(socket: Socket): number | undefined {
  if (!("_handle" in socket) || "encrypted" in socket) return undefined;
  const { _handle: handle } = socket;
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}
