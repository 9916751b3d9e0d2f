import type { Socket } from "node:net";

/** The file descriptor of an open socket; Node keeps it in a handle that it does not document. */
export function descriptorOf(socket: Socket): number | undefined {
  if (!("_handle" in socket)) return undefined;
  const { _handle: handle } = socket;
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}
