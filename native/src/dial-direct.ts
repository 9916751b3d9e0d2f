import { connect, isIP, type LookupFunction, type Socket, type TcpNetConnectOpts } from "node:net";
import { DialError, dialErrorOf } from "./dial-error.ts";
import { connectMarked } from "./tunnel/connect-marked.ts";

export interface DialOptions {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** The address to leave from. */
  readonly localAddress?: string;
  /** The port to leave from. Default: one that the system chooses. */
  readonly localPort?: number;
  /** Put on the socket before anything is sent (SO_MARK); needs CAP_NET_ADMIN, the addon, and a literal address. */
  readonly mark?: number;
  /** Resolves `host` in place of the system's resolver; not asked for a literal address. */
  readonly lookup?: LookupFunction;
  readonly signal?: AbortSignal;
  /** For the whole of it, name resolution and handshakes with proxies included. */
  readonly timeoutMs: number;
}

/** RFC 8305 §5: how long one address may try before the next one starts beside it. */
export const ATTEMPT_DELAY_MS = 250;

/**
 * Opens a TCP connection; the addresses of a name race as RFC 8305 wants.
 * The socket is half-open capable, sends at once, is paused, and swallows errors until someone listens for them.
 * @throws DialError
 */
export function dialDirect(options: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) return reject(abandoned());
    const { mark } = options;
    const socket = mark ? connectMarked(connectOptions(options), mark) : connect(connectOptions(options));
    const timer = setTimeout(() => fail(new DialError("connection_timeout")), options.timeoutMs);
    const abort = () => fail(abandoned());
    options.signal?.addEventListener("abort", abort, { once: true });

    function settle(): void {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
    function fail(error: unknown): void {
      settle();
      socket.destroy();
      reject(dialErrorOf(error));
    }
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on("error", fail);
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
  });
}

function connectOptions({ host, port, localAddress, localPort, lookup }: DialOptions): TcpNetConnectOpts {
  return {
    host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    ...(isIP(host) === 0 && {
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ATTEMPT_DELAY_MS,
      ...(lookup && { lookup }),
    }),
    ...(localAddress !== undefined && { localAddress }),
    ...(localPort !== undefined && { localPort }),
  };
}

/** What a dial ends with when its caller no longer wants it. */
export function abandoned(): DialError {
  return new DialError("connection_terminated", "The client gave up before the connection was made.");
}
