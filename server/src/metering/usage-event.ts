import type { ConnectionEnd, ConnectionRecord, ConnectionTotals } from "./usage-recorder.ts";

/** What a connection's last stored event said, and the gateway's epoch in which it was stored. */
export interface StoredBase {
  readonly totals: ConnectionTotals;
  /** As `foldUsage` returned it. While the gateway's is the same, nobody else has closed the connection. */
  readonly epoch: bigint;
}

/**
 * Absolute totals of one connection at one moment. Written twice, or out of order, it changes nothing: its permanent
 * id is its connection's, which is one gateway's alone, with its number.
 */
export interface UsageEvent {
  readonly connection: ConnectionRecord;
  /** Whether an earlier event of the connection is known to be stored; if not, its row is written as well. */
  readonly connectionStored: boolean;
  /** The event before this one, where that is known to be stored and to be the last: saves looking. */
  readonly base?: StoredBase;
  /** Whether the record has changed since the last event that is known to be stored. */
  readonly recordChanged?: boolean;
  /** From 1, rising with every event of the connection. */
  readonly seq: number;
  readonly totals: ConnectionTotals;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** With the connection's last event. */
  readonly end?: ConnectionEnd;
}
