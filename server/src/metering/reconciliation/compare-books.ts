import { type Kysely, sql } from "kysely";
import type { Schema } from "../../db/schema.ts";
import type { Difference } from "./difference.ts";

/**
 * What events add to each account and hour from a moment on: the rise of a connection's totals belongs to the hour in
 * which it was counted. Of a connection that was one event its row is that event; events that are kept no more are in
 * `pruned_usage`.
 */
const eventHours = (from: Date) => sql`
  select user_id, hour, sum(sent) as sent, sum(received) as received, sum(requests) as requests,
    sum(uncharged) as uncharged, sum(tls) as tls
  from (
    select c.user_id, date_trunc('hour', r.at, 'UTC') as hour, r.sent, r.received, r.requests, r.uncharged, r.tls
    from (
      select connection_id, at,
        sent_bytes_total - lag(sent_bytes_total, 1, 0::int8) over totals as sent,
        received_bytes_total - lag(received_bytes_total, 1, 0::int8) over totals as received,
        requests_total - lag(requests_total, 1, 0::int8) over totals as requests,
        uncharged_sent_bytes_total + uncharged_received_bytes_total
          - lag(uncharged_sent_bytes_total + uncharged_received_bytes_total, 1, 0::int8) over totals as uncharged,
        tls_bytes_total - lag(tls_bytes_total, 1, 0::int8) over totals as tls
      from usage_events
      where connection_id in (select connection_id from usage_events where at >= ${from})
      window totals as (partition by connection_id order by seq)
    ) r join proxy_connections c on c.id = r.connection_id
    where r.at >= ${from}
    union all
    select user_id, date_trunc('hour', closed_at, 'UTC'), sent_bytes, received_bytes, requests,
      uncharged_sent_bytes + uncharged_received_bytes, tls_bytes
    from proxy_connections where closed_at >= ${from} and last_seq = 0
    union all
    select user_id, hour, sent_bytes, received_bytes, requests, uncharged_bytes, tls_bytes
    from pruned_usage where hour >= ${from}
  ) rises group by user_id, hour
`;

/** Events against hourly sums, per account and hour. */
export async function compareHours(db: Kysely<Schema>, from: Date): Promise<Difference[]> {
  const { rows } = await sql<{ user_id: string; hour: Date; delta: bigint; what: string }>`
    with events as (${eventHours(from)}), hours as (
      select user_id, hour, sum(sent_bytes) as sent, sum(received_bytes) as received, sum(requests) as requests,
        sum(uncharged_sent_bytes + uncharged_received_bytes) as uncharged, sum(tls_bytes) as tls
      from proxy_usage where hour >= ${from} group by user_id, hour
    ), deltas as (
      select user_id, hour,
        coalesce(h.sent, 0) - coalesce(e.sent, 0) as sent, coalesce(h.received, 0) - coalesce(e.received, 0) as received,
        coalesce(h.requests, 0) - coalesce(e.requests, 0) as requests,
        coalesce(h.uncharged, 0) - coalesce(e.uncharged, 0) as uncharged, coalesce(h.tls, 0) - coalesce(e.tls, 0) as tls
      from events e full join hours h using (user_id, hour)
    )
    select user_id, hour, (abs(sent) + abs(received) + abs(uncharged) + abs(tls))::int8 as delta,
      format('sent %s, received %s, requests %s, uncharged %s, TLS %s', sent, received, requests, uncharged, tls) as what
    from deltas
    where sent <> 0 or received <> 0 or requests <> 0 or uncharged <> 0 or tls <> 0
    order by hour, user_id limit 1000
  `.execute(db);
  return rows.map(({ user_id, hour, delta, what }) => ({
    book: "events and hours",
    subject: user_id,
    hour: hour.toISOString(),
    delta: String(delta),
    sentence: `The hourly sum is off from its events by: ${what}.`,
  }));
}

/** The rows of closed connections against their last events. */
export async function compareConnections(db: Kysely<Schema>, from: Date): Promise<Difference[]> {
  const { rows } = await sql<{ id: string; delta: bigint }>`
    select c.id, (abs(c.sent_bytes - e.sent_bytes_total) + abs(c.received_bytes - e.received_bytes_total)
        + abs(c.tls_bytes - e.tls_bytes_total))::int8 as delta
    from proxy_connections c
    join lateral (select * from usage_events where connection_id = c.id order by seq desc limit 1) e on true
    where c.closed_at >= ${from} and (c.sent_bytes, c.received_bytes, c.requests, c.uncharged_sent_bytes,
        c.uncharged_received_bytes, c.tls_bytes, c.last_seq)
      is distinct from (e.sent_bytes_total, e.received_bytes_total, e.requests_total, e.uncharged_sent_bytes_total,
        e.uncharged_received_bytes_total, e.tls_bytes_total, e.seq)
    limit 1000
  `.execute(db);
  return rows.map(({ id, delta }) => ({
    book: "events and connections",
    subject: id,
    hour: null,
    delta: String(delta),
    sentence: "The connection's totals are not those of its last event.",
  }));
}

/** All hourly sums of an account against all that was ever charged to it. */
export async function compareBalances(db: Kysely<Schema>): Promise<Difference[]> {
  const { rows } = await sql<{ user_id: string; charged: bigint; summed: bigint }>`
    select b.user_id, b.charged_bytes as charged, coalesce(h.summed, 0)::int8 as summed
    from traffic_balances b
    left join (
      select user_id, sum(sent_bytes + received_bytes) as summed from proxy_usage group by user_id
    ) h using (user_id)
    where b.charged_bytes <> coalesce(h.summed, 0)
    limit 1000
  `.execute(db);
  return rows.map(({ user_id, charged, summed }) => ({
    book: "hours and balance",
    subject: user_id,
    hour: null,
    delta: String(charged - summed),
    sentence: `The account was charged ${charged} bytes, and its hours come to ${summed}.`,
  }));
}
