import type { UsageEvent } from "./usage-event.ts";
import type { ConnectionRecord, ConnectionTotals } from "./usage-recorder.ts";

/** Totals with nothing left out. */
export interface CountedTotals {
  sent: number;
  received: number;
  requests: number;
  unchargedSent: number;
  unchargedReceived: number;
  tls: number;
}

/** A connection as it stands in the database. */
export interface Standing extends Readonly<CountedTotals> {
  /** 0 of a closed connection: its row is its only event. */
  readonly lastSeq: number;
  readonly closed: boolean;
}

/** How a connection stands after an event that said this. */
export function standingAfter(totals: ConnectionTotals, lastSeq: number): Standing {
  return {
    sent: totals.sentBytes,
    received: totals.receivedBytes,
    requests: totals.requests,
    unchargedSent: totals.unchargedSentBytes ?? 0,
    unchargedReceived: totals.unchargedReceivedBytes ?? 0,
    tls: totals.tlsBytes ?? 0,
    lastSeq,
    closed: false,
  };
}

export const UNSEEN: Standing = {
  sent: 0,
  received: 0,
  requests: 0,
  unchargedSent: 0,
  unchargedReceived: 0,
  tls: 0,
  lastSeq: 0,
  closed: false,
};

/** A connection while the events of a batch are applied to it. */
export class ConnectionState implements CountedTotals {
  readonly id: string;
  /** Whether its row was there before. */
  readonly stored: boolean;
  record: ConnectionRecord;
  /** Whether an event of the batch said something new. */
  touched = false;
  sent: number;
  received: number;
  requests: number;
  unchargedSent: number;
  unchargedReceived: number;
  tls: number;
  lastSeq: number;
  closed: boolean;
  closedAt: number | null = null;
  outcome: string | null = null;
  receiptNumber: number | null = null;
  receiptHash: Uint8Array | null = null;

  constructor(record: ConnectionRecord, standing: Standing | undefined) {
    const from = standing ?? UNSEEN;
    this.id = record.id;
    this.stored = standing !== undefined;
    this.record = record;
    this.sent = from.sent;
    this.received = from.received;
    this.requests = from.requests;
    this.unchargedSent = from.unchargedSent;
    this.unchargedReceived = from.unchargedReceived;
    this.tls = from.tls;
    this.lastSeq = from.lastSeq;
    this.closed = from.closed;
  }

  /** Whether one event was all of it: its row says what the event said, and no event is stored beside it. */
  get isWhole(): boolean {
    return this.closed && this.lastSeq === 0;
  }

  /** Takes over what the event says; totals never fall. @returns what it added */
  advance(event: UsageEvent): CountedTotals {
    const { totals, end } = event;
    const sent = Math.max(this.sent, totals.sentBytes);
    const received = Math.max(this.received, totals.receivedBytes);
    const requests = Math.max(this.requests, totals.requests);
    const unchargedSent = Math.max(this.unchargedSent, totals.unchargedSentBytes ?? 0);
    const unchargedReceived = Math.max(this.unchargedReceived, totals.unchargedReceivedBytes ?? 0);
    const tls = Math.max(this.tls, totals.tlsBytes ?? 0);
    const added = {
      sent: sent - this.sent,
      received: received - this.received,
      requests: requests - this.requests,
      unchargedSent: unchargedSent - this.unchargedSent,
      unchargedReceived: unchargedReceived - this.unchargedReceived,
      tls: tls - this.tls,
    };
    this.sent = sent;
    this.received = received;
    this.requests = requests;
    this.unchargedSent = unchargedSent;
    this.unchargedReceived = unchargedReceived;
    this.tls = tls;
    const isWhole = !this.stored && !this.touched && end !== undefined;
    this.touched = true;
    this.lastSeq = isWhole ? 0 : event.seq;
    this.record = event.connection;
    if (end) {
      this.closed = true;
      this.closedAt = event.at;
      this.outcome = end.outcome;
    }
    return added;
  }
}
