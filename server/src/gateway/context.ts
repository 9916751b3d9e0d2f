import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { Logger } from "pino";
import type { Authenticator } from "./authenticator.ts";
import type { FlowOpening } from "./flow-opener.ts";
import type { UpstreamPool } from "./http/upstream-pool.ts";
import type { ConnectionGuard } from "./limits/connection-guard.ts";
import type { GatewayLimits } from "./options.ts";

/** What every client connection shares. */
export interface GatewayContext {
  readonly authenticator: Authenticator;
  readonly opener: FlowOpening;
  /** Asked for every client that arrives. */
  readonly guard: ConnectionGuard;
  readonly pool: UpstreamPool;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
  /** Counts an error that a client is told. */
  readonly told: (error: ProxyError) => void;
  /** Milliseconds, at most a second late: for time-outs, which then cost no system call. */
  readonly now: () => number;
  /** Changes when what a connection remembers of its credential is no longer to be believed. */
  readonly credentialEpoch: () => number;
  /** Whether the native engine may carry what it can. */
  readonly native: boolean;
  /** This node among our own, for finding loops: random, of this process. */
  readonly nodeId: string;
  /** Keeps a client connection that took over from another kind: it is asked for its deadlines, and ended at the end. */
  readonly connections: {
    add(connection: ClientConnection): void;
    delete(connection: ClientConnection): void;
  };
}

/** One accepted socket, whatever it speaks. */
export interface ClientConnection {
  /** Asked about once a second: ends what has waited too long. */
  checkDeadline(now: number): void;
  /** Ends it as soon as nothing is under way: now when it is idle, else after the answer or the tunnel. */
  drain(): void;
  /** Ends it at once. */
  destroy(): void;
}
