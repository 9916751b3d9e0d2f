import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { Logger } from "pino";
import type { ConnectionRecord, UsageRecorder } from "../metering/usage-recorder.ts";
import type { CredentialVerifier } from "./credential.ts";
import type { FlowLimitSource } from "./flow-limits.ts";
import type { FlowCounts } from "./gateway-tally.ts";
import type { ConnectionGuardLimits } from "./limits/connection-guard.ts";
import type { SessionBeginning, SharedSessions } from "./shared-sessions.ts";
import type { TargetRules } from "./target-guard.ts";
import type { TlsDoorOptions } from "./tls/tls-door.ts";
import type { Upstream } from "./upstreams/upstream.ts";
import type { UpstreamCounts } from "./upstreams/watched-upstream.ts";

/** What a gateway is made of. The composition root builds the parts; the gateway owns only its sockets. */
export interface GatewayOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Share the port with other processes (SO_REUSEPORT). Default: no. */
  readonly reusePort?: boolean;
  /** Whether the native engine may carry its connections, where there is one. Default: yes. */
  readonly native?: boolean;
  /** A second port on the same host, where the gateway speaks TLS. Default: none. */
  readonly tls?: TlsDoorOptions;
  readonly credentials: CredentialVerifier;
  readonly usage: UsageRecorder;
  /** Asked in this order for an exit that fits. */
  readonly upstreams: readonly Upstream[];
  /** What may be dialled besides public addresses, and what may not. */
  readonly targets: TargetRules;
  readonly logger: Logger;
  /** Secret: what sticky sessions' keys are derived from. Default: random, so that a restart moves every session. */
  readonly sessionKey?: Uint8Array;
  /** Where the processes of this gateway agree on sticky sessions. Default: this process is the only one. */
  readonly sharedSessions?: SharedSessions;
  /** Where sessions that providers would end for want of traffic are used now and then. Default: nowhere. */
  readonly keepAlive?: { readonly host: string; readonly port: number } | null;
  readonly limits?: Partial<GatewayLimits>;
  /** What holds flows back: balances and the limits of credentials. Default: nothing. */
  readonly flowLimits?: FlowLimitSource;
  /** How many connections one address may have. */
  readonly guard?: Partial<ConnectionGuardLimits>;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly clock?: () => number;
}

/** Times in milliseconds. */
export interface GatewayLimits {
  /** For a whole request header, or a SOCKS5 client's part of the handshake. */
  readonly headerMs: number;
  /** For reaching the target, name resolution included. */
  readonly connectMs: number;
  /** How long a tunnel, or a response, may stand still. */
  readonly idleMs: number;
  /** How long a kept-alive connection may wait for its next request. */
  readonly keepAliveMs: number;
  readonly connectionsPerCredential: number;
  /** How many clients may be connected without having said anything; of more, the oldest is closed. */
  readonly silentClients: number;
  /** What HTTP clients are told when their account's traffic is used up. */
  readonly quotaStatus: 403 | 407;
  /** How long a request's body may take before its pace is measured. */
  readonly bodyGraceMs: number;
  /** The least of a body that must come in a second, on average, from then on. */
  readonly bodyBytesPerSecond: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  headerMs: 10_000,
  connectMs: 10_000,
  idleMs: 300_000,
  keepAliveMs: 60_000,
  connectionsPerCredential: 5_000,
  silentClients: 10_000,
  quotaStatus: 403,
  bodyGraceMs: 20_000,
  bodyBytesPerSecond: 500,
};

export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** The TLS port and the SHA-256 of the certificate in use; null without one. */
  readonly tls: { readonly port: number; readonly fingerprint: string } | null;
  /** How many connections are open now, of one account or in all. */
  countOpen(userId?: string): number;
  /** Ends one connection; false when this gateway has no such connection. */
  disconnect(connectionId: string): boolean;
  /** Ends the connections of a credential and forgets what is cached of it; how many were ended. */
  disconnectCredential(credentialId: string): number;
  /** What is remembered of credentials, or was decided by them in advance, is asked anew. */
  decideAnew(): void;
  /** Ends the flows of a credential for which there is a reason; what connections remember of it is asked anew. */
  recheck(credentialId: string, reason: (flow: ConnectionRecord) => string | undefined): void;
  /** The credentials with open flows, and whose they are. */
  inUse(): Iterable<{ id: string; userId: string }>;
  countOfCredential(credentialId: string): number;
  /** Calls the listener after usage of an account was stored; the returned function stops that. */
  onUsage(listener: (userId: string) => void): () => void;
  /** What this process knows of a sticky session, without beginning it. */
  peekSession(credentialId: string, username: GatewayUsername): SessionBeginning | undefined;
  health(): GatewayHealth;
  /** What this process has counted since it began. Asks every open connection: not for each of them. */
  counts(): GatewayCounts;
  /**
   * Stops listening and lets what is open end by itself: tunnels, and answers under way. Clients between two requests
   * are closed. Resolves when nothing is open any more, or after `deadlineMs`; `close` is still to be called.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Stops listening, cuts what is open, and writes what was counted. */
  close(): Promise<void>;
}

export interface GatewayHealth {
  readonly listening: boolean;
  readonly openConnections: number;
  /** What is wrong, for people; null when all is well. */
  readonly problem: string | null;
  /** How each upstream fares, by name: see docs/failover.md. */
  readonly upstreams: ReadonlyMap<string, "up" | "resting" | "on trial">;
}

/** What can be counted of a gateway's process: plain numbers, and no name that a client has chosen. */
export interface GatewayCounts extends FlowCounts {
  readonly upstreams: readonly UpstreamCounts[];
  /** Connections that were closed unheard, because their address has too many. */
  readonly turnedAway: number;
}
