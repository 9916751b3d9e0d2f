import type { Socket } from "node:net";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";

export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

/** An HTTP proxy that takes plain requests with an absolute URL. */
export interface ForwardingProxy {
  readonly host: string;
  readonly port: number;
  /** The value of Proxy-Authorization. A secret. */
  readonly authorization: string;
}

/** The way to the exits: the gateway, or a provider itself. */
export interface ExitUpstream {
  readonly kind: "gateway" | "provider";
  /** For people, as in `gateway at 127.0.0.1:7777`. */
  readonly name: string;
  readonly entry: { readonly host: string; readonly port: number };
  /**
   * A connection to the target that leaves at the exit. The exit resolves the name.
   * @throws DialError
   */
  open(exit: ExitSelector, session: ExitSession, target: TunnelTarget, signal: AbortSignal): Promise<Socket>;
  /** Null where plain requests must go through a tunnel as well. */
  forwarding(exit: ExitSelector, session: ExitSession): ForwardingProxy | null;
}

/** Reaching the upstream, its handshake, and its own dialling. */
export const DIAL_TIMEOUT_MS = 30_000;

export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
