import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * A connection that begins and ends in one usage event has its row alone: the row says all that the event would. The
 * nightly comparison looks for such rows by when they closed.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`comment on column proxy_connections.last_seq is
      'of the last usage event, once it is closed; 0 where one event was all of it, which is not stored beside this row'`,
    sql`create index proxy_connections_closed on proxy_connections using brin (closed_at)`,
  ]);
}

/** Gives those connections the events that were left out. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop index proxy_connections_closed`,
    sql`comment on column proxy_connections.last_seq is null`,
    sql`insert into usage_events (
        connection_id, seq, sent_bytes_total, received_bytes_total, requests_total,
        uncharged_sent_bytes_total, uncharged_received_bytes_total, tls_bytes_total, at
      )
      select id, 1, sent_bytes, received_bytes, requests, uncharged_sent_bytes, uncharged_received_bytes, tls_bytes, closed_at
      from proxy_connections where closed_at is not null and last_seq = 0`,
    sql`update proxy_connections set last_seq = 1 where closed_at is not null and last_seq = 0`,
  ]);
}
