import type { ProxyProtocol } from "../db/schema.ts";

/**
 * What is known of a connection besides its totals. When another exit is tried, the record is replaced by one with the
 * same id.
 */
export interface ConnectionRecord {
  /** A UUID that begins with the time (version 7): the indexes of millions of them then grow at their end. */
  readonly id: string;
  readonly userId: string;
  readonly credentialId: string;
  /** The client's address. */
  readonly client: string;
  readonly protocol: ProxyProtocol;
  readonly targetHost: string;
  readonly targetPort: number;
  readonly exitCountry: string | null;
  readonly exitCity: string | null;
  readonly exitLabel: string | null;
  /** Where sites see it come from; null when the upstream does not tell. */
  readonly exitAddress: string | null;
  /** The upstream's name in the configuration; null when none was chosen. */
  readonly upstream: string | null;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  /** What was tried in vain before this exit, the first first; left out when nothing was. */
  readonly attempts?: readonly FailedAttempt[];
}

/** An exit that was left, and why. */
export interface FailedAttempt {
  /** The upstream's name in the configuration. */
  readonly upstream: string;
  /** A code of the error table. */
  readonly error: string;
}

/** Absolute totals since the connection was opened; whole numbers below 2^53. */
export interface ConnectionTotals {
  /** What is charged, each direction; the bytes below are not among them. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly requests: number;
  /** Moved in attempts that failed by our or the upstream's fault: shown, not charged. */
  readonly unchargedSentBytes?: number;
  readonly unchargedReceivedBytes?: number;
  /** What the client's TLS leg had on the wire beyond the payload, both directions: shown, not charged. */
  readonly tlsBytes?: number;
}

/** Of a connection that has carried nothing. */
export const NO_TOTALS: Readonly<Required<ConnectionTotals>> = {
  sentBytes: 0,
  receivedBytes: 0,
  requests: 0,
  unchargedSentBytes: 0,
  unchargedReceivedBytes: 0,
  tlsBytes: 0,
};

/** How a connection ended: `ended` and its like, or a code of the error table. */
export interface ConnectionEnd {
  readonly outcome: string;
  /** Whether the client did not get what it asked for. */
  readonly failed: boolean;
}

/** A connection whose traffic is being counted. */
export interface MeteredConnection {
  readonly record: ConnectionRecord;
  /** Called about twice a second while something moves, and after the end. */
  totals(): ConnectionTotals;
  /** Set once it is over. */
  readonly end: ConnectionEnd | undefined;
  /** Cuts it: because the account's traffic is used up, or for another reason. */
  cut(reason?: string): void;
}

/** Takes connections to be counted and writes what they carried, often and exactly once. */
export interface UsageRecorder {
  open(connection: MeteredConnection): void;
  /** Whether the account may open another connection now. Unknown accounts may not. */
  mayOpen(userId: string): boolean | Promise<boolean>;
  /** Calls the listener after usage of an account was stored; the returned function stops that. */
  onUsage(listener: (userId: string) => void): () => void;
  /** Writes everything counted so far. @throws when the database does not take it; it is kept and tried again. */
  flush(): Promise<void>;
  /** Why usage cannot be written at the moment, for people; null when all is well. */
  problem(): string | null;
  /** Writes what is left and stops. */
  close(): Promise<void>;
}
