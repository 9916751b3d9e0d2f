import { isIP, type Socket } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { dialAddresses } from "./dial-addresses.ts";
import { abandoned } from "./dial-direct.ts";
import { DialError, dialErrorOf } from "./dial-error.ts";
import { connectHandshake } from "./dial-through-connect.ts";
import { socksHandshake } from "./dial-through-socks5.ts";
import { shakeHands } from "./proxy-handshake.ts";

/** How to reach a target, as data, so that any thread can do it. */
export interface DialPlan {
  /** Where the TCP connection goes: addresses that were checked, in the order to try (RFC 8305). */
  readonly addresses: readonly string[];
  readonly port: number;
  /** The address to leave from. */
  readonly localAddress?: string;
  /** Put on the socket before anything is sent (SO_MARK). A socket that cannot be marked is not used. */
  readonly mark?: number;
  /** The proxy that answers there, and what is asked of it; none: the target itself answers. */
  readonly proxy?: PlannedProxy;
}

export interface PlannedProxy {
  readonly protocol: "connect" | "socks5";
  /** TLS to the proxy: its name, and authorities besides the system's, as PEM. Native code does not dial these. */
  readonly tls?: { readonly serverName: string; readonly ca?: string };
  readonly username?: string;
  readonly password?: string;
  /** Resolved by the proxy when it is a name. */
  readonly target: { readonly host: string; readonly port: number };
  /**
   * A field, its name in lower case, and the value that the answer to CONNECT must have: else another one than was
   * meant has answered. Native code does not dial these.
   */
  readonly expects?: { readonly field: string; readonly value: string };
}

export interface DialPlanOptions {
  /** For the whole of it: reaching the first hop, the handshakes, and the proxy's own dialling. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Carries a plan out. The socket speaks with the target from its first byte; it is paused and swallows errors until
 * someone listens for them.
 * @throws DialError; `stage` tells whether the first hop was reached
 */
export async function dialPlan(plan: DialPlan, options: DialPlanOptions): Promise<Socket> {
  const { proxy } = plan;
  if (proxy === undefined) return openPlan(plan, options);
  const deadline = performance.now() + options.timeoutMs;
  const opened = await openPlan(plan, options);
  return askProxy(opened, proxy, { ...options, timeoutMs: deadline - performance.now() });
}

/**
 * Opens the connection to a plan's first hop, TLS included where the proxy wants it, and asks nothing of it yet.
 * @throws DialError with the stage `reach`
 */
export async function openPlan(plan: DialPlan, options: DialPlanOptions): Promise<Socket> {
  const deadline = performance.now() + options.timeoutMs;
  try {
    const plain = await dialAddresses(plan.addresses, { ...options, ...plan });
    const tls = plan.proxy?.tls;
    if (tls === undefined) return plain;
    return await secured(plain, tls, deadline - performance.now(), options.signal);
  } catch (error) {
    throw dialErrorOf(error).at("reach");
  }
}

/**
 * Asks a proxy that nothing was asked of yet for a tunnel.
 * @throws DialError with the stage `ask`; the socket is destroyed then
 */
export async function askProxy(
  socket: Socket,
  proxy: PlannedProxy,
  options: DialPlanOptions,
): Promise<Socket> {
  try {
    return await shaken(socket, proxy, options);
  } catch (error) {
    const failure = dialErrorOf(error).at("ask");
    failure.moved = { sentBytes: socket.bytesWritten, receivedBytes: socket.bytesRead };
    throw failure;
  }
}

async function shaken(socket: Socket, proxy: PlannedProxy, options: DialPlanOptions): Promise<Socket> {
  const { timeoutMs, signal } = options;
  if (proxy.protocol === "socks5") {
    return (await shakeHands(socket, socksHandshake(proxy, proxy.target), timeoutMs, signal)).socket;
  }
  const { result } = await shakeHands(socket, connectHandshake(proxy, proxy.target), timeoutMs, signal);
  const { expects } = proxy;
  if (expects !== undefined && result.get(expects.field) !== expects.value) {
    socket.destroy();
    throw new DialError("upstream_denied", "The upstream could not prove that it is the one that was meant.");
  }
  return socket;
}

function secured(
  plain: Socket,
  tls: { readonly serverName: string; readonly ca?: string },
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      plain.destroy();
      return reject(abandoned());
    }
    const { serverName } = tls;
    const socket = connectTls({
      socket: plain,
      // Checked against the certificate; as a server name only names may be sent (RFC 6066 §3).
      host: serverName,
      ...(isIP(serverName) === 0 && { servername: serverName }),
      ALPNProtocols: ["http/1.1"],
      ...(tls.ca !== undefined && { secureContext: contextWith(tls.ca) }),
    });
    const timer = setTimeout(() => fail(new DialError("connection_timeout")), timeoutMs);
    const abort = () => fail(abandoned());
    signal?.addEventListener("abort", abort, { once: true });
    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.off("end", onEnd);
    }
    function fail(error: unknown): void {
      settle();
      socket.destroy();
      reject(dialErrorOf(error));
    }
    function onEnd(): void {
      fail(new DialError("tls_failed"));
    }
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on("error", fail);
    socket.once("end", onEnd);
    socket.once("secureConnect", () => {
      settle();
      resolve(socket);
    });
  });
}

const contexts = new Map<string, SecureContext>();

/** Reading the system's authorities takes milliseconds: once for every file of an operator's own. */
function contextWith(ca: string): SecureContext {
  const known = contexts.get(ca);
  if (known) return known;
  const made = createSecureContext({ ca: [...getCACertificates("default"), ca] });
  contexts.set(ca, made);
  return made;
}
