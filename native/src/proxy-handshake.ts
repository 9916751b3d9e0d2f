import type { Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { abandoned, dialDirect } from "./dial-direct.ts";
import { DialError, dialErrorOf } from "./dial-error.ts";

/** A proxy to go through. */
export interface ProxyEndpoint {
  readonly host: string;
  readonly port: number;
  /** Speak TLS to the proxy: with the system's authorities, or with these options. */
  readonly tls?: boolean | ConnectionOptions;
  readonly username?: string;
  readonly password?: string;
  readonly localAddress?: string;
}

export interface DialThroughOptions {
  readonly proxy: ProxyEndpoint;
  /** Resolved by the proxy when it is a name. */
  readonly target: { readonly host: string; readonly port: number };
  readonly signal?: AbortSignal;
  /** For the whole of it: reaching the proxy, the handshakes, and the proxy's own dialling. */
  readonly timeoutMs: number;
}

/**
 * One handshake over a byte stream: it is given all that has come so far, and says how many bytes it used up.
 * `undefined` asks for more.
 */
export interface Handshake<Result> {
  /** What is sent as soon as the proxy is connected. */
  readonly opening: Buffer;
  /** @throws DialError when the proxy refuses or does not speak the protocol */
  read(received: Buffer, send: (bytes: Buffer) => void): { used: number; result: Result } | undefined;
}

/** The longest answer that a proxy may give to a handshake, in bytes. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * Connects to a proxy and holds one handshake with it. Bytes of the target that came along stay in the socket.
 * @throws DialError
 */
export async function throughProxy<Result>(
  options: DialThroughOptions,
  handshake: Handshake<Result>,
): Promise<{ socket: Socket; result: Result }> {
  const deadline = performance.now() + options.timeoutMs;
  const { proxy, signal } = options;
  const plain = await dialDirect({
    host: proxy.host,
    port: proxy.port,
    timeoutMs: options.timeoutMs,
    ...(proxy.localAddress !== undefined && { localAddress: proxy.localAddress }),
    ...(signal && { signal }),
  });
  const socket = proxy.tls ? securedSocket(plain, proxy) : plain;
  return shakeHands(socket, handshake, deadline - performance.now(), signal);
}

function securedSocket(plain: Socket, proxy: ProxyEndpoint): Socket {
  const own = typeof proxy.tls === "object" ? proxy.tls : {};
  return connectTls({ servername: proxy.host, ALPNProtocols: ["http/1.1"], ...own, socket: plain });
}

/**
 * Holds a handshake on a connection that was not used before. Bytes of the target that came along stay in the socket.
 * @throws DialError; the socket is destroyed then
 */
export function shakeHands<Result>(
  socket: Socket,
  handshake: Handshake<Result>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<{ socket: Socket; result: Result }> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => fail(new DialError("connection_timeout")), timeoutMs);
    const abort = () => fail(abandoned());
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) return abort();

    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.off("data", onData);
      socket.off("end", onEnd);
    }
    function fail(error: unknown): void {
      settle();
      socket.destroy();
      reject(dialErrorOf(error));
    }
    function onEnd(): void {
      fail(new DialError("upstream_failed", "The upstream proxy closed the connection in the handshake."));
    }
    function onData(chunk: Buffer): void {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      try {
        const done = handshake.read(received, (bytes) => socket.write(bytes));
        if (done) finish(done.used, done.result);
        else if (received.length > MAX_ANSWER_BYTES) fail(new DialError("bad_response"));
      } catch (error) {
        fail(error);
      }
    }
    function finish(used: number, result: Result): void {
      settle();
      socket.pause();
      if (used < received.length) socket.unshift(received.subarray(used));
      resolve({ socket, result });
    }
    socket.on("error", fail);
    socket.on("end", onEnd);
    socket.on("data", onData);
    socket.write(handshake.opening);
  });
}
