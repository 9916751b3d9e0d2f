import { hash } from "node:crypto";
import type { ConnectionEnd, ConnectionRecord } from "./usage-recorder.ts";

/** Absolute totals of one connection at one moment. Written twice, or out of order, it changes nothing. */
export interface UsageEvent {
  readonly connection: ConnectionRecord;
  /** Whether an earlier event of the connection is known to be stored; if not, its row is written as well. */
  readonly connectionStored: boolean;
  /** From 1, rising with every event of the connection. */
  readonly seq: number;
  readonly sentBytes: bigint;
  readonly receivedBytes: bigint;
  readonly requests: bigint;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** With the connection's last event. */
  readonly end?: ConnectionEnd;
}

/**
 * The permanent id of an event: a UUID of version 5 (RFC 9562 §5.5) of gateway, connection and sequence number, so that
 * whoever writes the event again writes the same id.
 */
export function usageEventId(gatewayId: string, connectionId: string, seq: number): string {
  const digest = hash("sha1", `${gatewayId} ${connectionId} ${seq}`, "hex");
  const variant = ((Number.parseInt(digest.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
