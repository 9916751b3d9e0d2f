import { receiptTarget } from "@atlantic/shared/receipts/receipt.ts";
import { ConnectionState, type Standing } from "./connection-state.ts";
import { HourlySums, type HourlyUsage } from "./hourly-usage.ts";
import type { ReceiptChain } from "./receipt-chain.ts";
import type { UsageEvent } from "./usage-event.ts";

/** What a batch of events comes to. */
export interface FoldedBatch {
  /** Connections that are not stored yet. */
  readonly begun: readonly ConnectionState[];
  /** Stored ones whose rows have to change: those that ended, and those that another exit carries now. */
  readonly ended: readonly ConnectionState[];
  readonly moved: readonly ConnectionState[];
  /** The events to be stored: that were not known, that no later one had overtaken, and that are not all of a connection. */
  readonly events: readonly UsageEvent[];
  readonly hours: readonly HourlyUsage[];
  /** Connections that somebody else closed: their events count no more. */
  readonly closedElsewhere: readonly string[];
}

/**
 * Applies events to the connections as they stand. Pure but for the chains, which grow by a receipt for each
 * connection that ends. Events of credentials without a chain are dropped: their account was deleted.
 */
export function foldBatch(
  events: readonly UsageEvent[],
  standings: ReadonlyMap<string, Standing>,
  chains: ReadonlyMap<string, ReceiptChain>,
): FoldedBatch {
  const states = new Map<string, ConnectionState>();
  const hours = new HourlySums();
  const fresh: UsageEvent[] = [];
  const begun: ConnectionState[] = [];
  const ended: ConnectionState[] = [];
  const moved = new Set<ConnectionState>();
  const closedElsewhere = new Set<string>();
  for (const event of inOrder(events)) {
    const { connection } = event;
    const chain = chains.get(connection.credentialId);
    if (chain === undefined) continue;
    let state = states.get(connection.id);
    if (state === undefined) {
      const standing = standings.get(connection.id);
      if (standing === undefined && event.connectionStored) continue;
      state = new ConnectionState(connection, standing);
      states.set(connection.id, state);
    }
    if (state.isWhole || event.seq <= state.lastSeq) continue;
    if (state.closed) {
      closedElsewhere.add(connection.id);
      continue;
    }
    if (!state.touched && !state.stored) begun.push(state);
    const added = state.advance(event);
    if (!state.isWhole) fresh.push(event);
    hours.add(chain.userId, event, added, event.end?.failed === true);
    if (event.recordChanged && state.stored) moved.add(state);
    if (event.end) {
      giveReceipt(state, chain, event.at, event.end.outcome);
      if (state.stored) ended.push(state);
    }
  }
  return {
    begun,
    ended,
    moved: [...moved],
    events: fresh,
    hours: hours.sorted(),
    closedElsewhere: [...closedElsewhere],
  };
}

/** By number, those of a connection after each other; nearly always they come like that. */
function inOrder(events: readonly UsageEvent[]): readonly UsageEvent[] {
  const isSorted = events.every((event, index) => index === 0 || (events[index - 1]?.seq ?? 0) <= event.seq);
  return isSorted ? events : events.toSorted((a, b) => a.seq - b.seq);
}

function giveReceipt(state: ConnectionState, chain: ReceiptChain, closedAt: number, outcome: string): void {
  const { record } = state;
  const receipt = chain.add({
    connection: state.id,
    openedAt: record.openedAt,
    closedAt,
    protocol: record.protocol,
    target: receiptTarget(record.targetHost, record.targetPort),
    exitCountry: record.exitCountry,
    exitLabel: record.exitLabel,
    exitAddress: record.exitAddress,
    sentBytes: String(state.sent),
    receivedBytes: String(state.received),
    requests: state.requests,
    unchargedSentBytes: String(state.unchargedSent),
    unchargedReceivedBytes: String(state.unchargedReceived),
    tlsBytes: String(state.tls),
    attempts: 1 + (record.attempts?.length ?? 0),
    failover: record.attempts?.[0]?.error ?? null,
    outcome,
  });
  state.receiptNumber = receipt.number;
  state.receiptHash = receipt.hash;
}
