import { Socket, type TcpNetConnectOpts } from "node:net";
import { nativeAddon } from "../addon.ts";
import { DialError } from "../dial-error.ts";
import { systemErrorOf } from "../system-error.ts";

/**
 * Connects a socket that carries a mark (SO_MARK) from its first packet on. `host` is a literal address.
 * @throws DialError when it cannot be marked: then nothing may be sent
 */
export function connectMarked(options: TcpNetConnectOpts, mark: number): Socket {
  const addon = nativeAddon();
  if (addon === null) {
    throw new DialError(
      "internal",
      "Without the native addon no socket can be marked. Run npm run build:native.",
    );
  }
  const fd = markedSocket(addon.markedSocket, options.host ?? "", mark);
  // Reading would begin at once, before there is a connection.
  const waiting = { fd, allowHalfOpen: true, manualStart: true };
  return new Socket(waiting).connect(options).setNoDelay(true);
}

function markedSocket(
  open: (address: string, mark: number) => number,
  address: string,
  mark: number,
): number {
  try {
    return open(address, mark);
  } catch (error) {
    const cause = systemErrorOf(error);
    throw new DialError("internal", `The socket cannot be marked (${cause.code}).`, { cause });
  }
}
