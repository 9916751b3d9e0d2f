import type { Socket } from "node:net";
import { relayDescriptors } from "./descriptor-relay.ts";
import type { RelayLimits } from "./gate.ts";
import { relayStreams } from "./stream-relay.ts";

/** How a relay ended. */
export type RelayOutcome =
  /** Both sides ended their half. */
  | { readonly kind: "ended" }
  | { readonly kind: "reset"; readonly by: "client" | "upstream" }
  /** Nothing moved for too long. */
  | { readonly kind: "idle" }
  /** `close` was called, or the signal was aborted. */
  | { readonly kind: "closed"; readonly reason: string };

/** Bytes since the relay began; exact up to 2^53. */
export interface RelayCounters {
  /** Handed to the upstream's socket and taken by the system: bytes that still wait in this process do not count. */
  readonly sentBytes: number;
  /** Read from the upstream's socket, delivered to the client or not. */
  readonly receivedBytes: number;
}

export interface RelayOptions {
  readonly signal?: AbortSignal;
  /** How long both directions may be still, in milliseconds. Default: 5 minutes. */
  readonly idleMs?: number;
  /** The same once one side has ended its half. Default: 1 minute. */
  readonly halfOpenIdleMs?: number;
  /** What the client said before there was a relay: after its end nothing can be put back into its socket. */
  readonly early?: Buffer;
  /** What holds the bytes back. Default: nothing. A refusal ends the relay with the reason `quota_exhausted`. */
  readonly limits?: RelayLimits;
}

export interface Relay {
  /** As of now; final and exact once `closed` has resolved. */
  counters(): RelayCounters;
  /** Resolves when both sockets are closed; never rejects. */
  readonly closed: Promise<RelayOutcome>;
  /** Cuts both sides with RST, so that neither takes it for a clean end. */
  close(reason: string): void;
}

/**
 * Carries bytes both ways between two connected, half-open capable sockets until both have ended.
 * FIN is passed on as FIN, each half by itself; RST as RST; the slower side holds the faster one back.
 * Where the engine can take the sockets over they are closed here at once; else they are read here.
 */
export function relay(client: Socket, upstream: Socket, options: RelayOptions = {}): Relay {
  return relayDescriptors(client, upstream, options) ?? relayStreams(client, upstream, options);
}
