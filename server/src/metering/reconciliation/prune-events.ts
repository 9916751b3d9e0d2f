import { type Kysely, sql } from "kysely";
import type { Schema } from "../../db/schema.ts";

/** How long the events of a closed connection are kept, in milliseconds. */
export const EVENTS_KEPT_MS = 35 * 24 * 3_600_000;

/** Connections whose events are dropped in one transaction. */
const BATCH = 2_000;

/**
 * Drops the events of connections that closed long ago and keeps what they came to, per account and hour, so that the
 * books can be compared as before.
 *
 * @returns how many events were dropped
 */
export async function pruneEvents(db: Kysely<Schema>, now: Date): Promise<number> {
  const before = new Date(now.getTime() - EVENTS_KEPT_MS);
  for (let dropped = 0; ; ) {
    const { connections, events } = await db
      .transaction()
      .execute((transaction) => pruneSome(transaction, before));
    dropped += events;
    if (connections < BATCH) return dropped;
  }
}

async function pruneSome(
  transaction: Kysely<Schema>,
  before: Date,
): Promise<{ connections: number; events: number }> {
  const { rows } = await sql<{ connections: bigint; events: bigint }>`
    with old as (
      select c.id, c.user_id from proxy_connections c
      where c.closed_at < ${before} and exists (select from usage_events e where e.connection_id = c.id)
      order by c.id limit ${BATCH} for update of c
    ), gone as (
      delete from usage_events e using old where e.connection_id = old.id returning e.*, old.user_id
    ), rises as (
      select user_id, date_trunc('hour', at, 'UTC') as hour,
        sent_bytes_total - lag(sent_bytes_total, 1, 0::int8) over totals as sent,
        received_bytes_total - lag(received_bytes_total, 1, 0::int8) over totals as received,
        requests_total - lag(requests_total, 1, 0::int8) over totals as requests,
        uncharged_sent_bytes_total + uncharged_received_bytes_total
          - lag(uncharged_sent_bytes_total + uncharged_received_bytes_total, 1, 0::int8) over totals as uncharged,
        tls_bytes_total - lag(tls_bytes_total, 1, 0::int8) over totals as tls
      from gone window totals as (partition by connection_id order by seq)
    ), kept as (
      insert into pruned_usage (user_id, hour, sent_bytes, received_bytes, requests, uncharged_bytes, tls_bytes)
      select user_id, hour, sum(sent), sum(received), sum(requests), sum(uncharged), sum(tls)
      from rises group by user_id, hour
      on conflict (user_id, hour) do update set
        sent_bytes = pruned_usage.sent_bytes + excluded.sent_bytes,
        received_bytes = pruned_usage.received_bytes + excluded.received_bytes,
        requests = pruned_usage.requests + excluded.requests,
        uncharged_bytes = pruned_usage.uncharged_bytes + excluded.uncharged_bytes,
        tls_bytes = pruned_usage.tls_bytes + excluded.tls_bytes
    )
    select (select count(*) from old) as connections, (select count(*) from gone) as events
  `.execute(transaction);
  return { connections: Number(rows[0]?.connections ?? 0n), events: Number(rows[0]?.events ?? 0n) };
}
