import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * What every tunnel writes, made cheap: a key that grows at its end instead of three scattered ones, and no foreign
 * key asked for each row. Whoever writes connections locks their credentials first, and triggers do what the foreign
 * keys did when an account goes. Measured in docs/decisions/cheap-usage-rows.md.
 *
 * Besides: bytes that are counted and not charged, bytes of TLS, and how often an exit was tried.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [...lighterTables, ...cascades, ...newTotals]);
}

const lighterTables = [
  sql`alter table usage_events drop constraint usage_events_connection_id_fkey`,
  sql`alter table usage_events drop constraint usage_events_connection_id_seq_key`,
  // The event's permanent id is its connection's, which is one gateway's alone, with its number.
  sql`alter table usage_events drop column id`,
  sql`alter table usage_events add primary key (connection_id, seq)`,
  sql`drop index usage_events_at`,
  sql`create index usage_events_at on usage_events using brin (at)`,
  sql`alter table proxy_connections
    drop constraint proxy_connections_user_id_fkey,
    drop constraint proxy_connections_credential_id_fkey`,
  sql`drop index proxy_connections_credential`,
  sql`create table usage_gateways (
    id text primary key,
    epoch bigint not null default 0
  )`,
  sql`comment on table usage_gateways is
    'locked by whoever writes usage of a gateway; the epoch rises when its connections are closed as lost'`,
  sql`comment on column proxy_connections.sent_bytes is
    'like every total here: of the first event while it is open, of the last once it is closed'`,
];

const cascades = [
  sql`create function usage_forget_account() returns trigger language plpgsql as $$
    begin
      delete from proxy_connections where user_id in (select id from gone);
      return null;
    end $$`,
  sql`create trigger usage_forget_account after delete on "user" referencing old table as gone
      for each statement execute function usage_forget_account()`,
  sql`create function usage_forget_credential() returns trigger language plpgsql as $$
    begin
      delete from proxy_connections c using gone where c.user_id = gone.user_id and c.credential_id = gone.id;
      return null;
    end $$`,
  sql`create trigger usage_forget_credential after delete on proxy_credentials referencing old table as gone
      for each statement execute function usage_forget_credential()`,
  sql`create function usage_forget_connection() returns trigger language plpgsql as $$
    begin
      delete from usage_events where connection_id in (select id from gone);
      return null;
    end $$`,
  sql`create trigger usage_forget_connection after delete on proxy_connections referencing old table as gone
      for each statement execute function usage_forget_connection()`,
];

const newTotals = [
  sql`alter table usage_events
    add column uncharged_sent_bytes_total bigint not null default 0,
    add column uncharged_received_bytes_total bigint not null default 0,
    add column tls_bytes_total bigint not null default 0`,
  sql`alter table proxy_connections
    add column uncharged_sent_bytes bigint not null default 0 check (uncharged_sent_bytes >= 0),
    add column uncharged_received_bytes bigint not null default 0 check (uncharged_received_bytes >= 0),
    add column tls_bytes bigint not null default 0 check (tls_bytes >= 0),
    add column failed_attempts jsonb check (jsonb_typeof(failed_attempts) = 'array')`,
  sql`comment on column proxy_connections.failed_attempts is 'exits tried in vain before the one named here'`,
  sql`alter table proxy_usage
    add column uncharged_sent_bytes bigint not null default 0 check (uncharged_sent_bytes >= 0),
    add column uncharged_received_bytes bigint not null default 0 check (uncharged_received_bytes >= 0),
    add column tls_bytes bigint not null default 0 check (tls_bytes >= 0)`,
];

/** The events' ids do not come back: they are made anew. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`alter table proxy_usage
      drop column uncharged_sent_bytes, drop column uncharged_received_bytes, drop column tls_bytes`,
    sql`alter table proxy_connections
      drop column uncharged_sent_bytes, drop column uncharged_received_bytes, drop column tls_bytes,
      drop column failed_attempts`,
    sql`alter table usage_events
      drop column uncharged_sent_bytes_total, drop column uncharged_received_bytes_total,
      drop column tls_bytes_total`,
    sql`comment on column proxy_connections.sent_bytes is null`,
    sql`drop table usage_gateways`,
    sql`drop trigger usage_forget_connection on proxy_connections`,
    sql`drop function usage_forget_connection`,
    sql`drop trigger usage_forget_credential on proxy_credentials`,
    sql`drop function usage_forget_credential`,
    sql`drop trigger usage_forget_account on "user"`,
    sql`drop function usage_forget_account`,
    sql`create index proxy_connections_credential on proxy_connections (credential_id)`,
    sql`alter table proxy_connections
      add constraint proxy_connections_user_id_fkey foreign key (user_id) references "user" (id) on delete cascade,
      add constraint proxy_connections_credential_id_fkey foreign key (credential_id)
        references proxy_credentials (id) on delete cascade`,
    sql`drop index usage_events_at`,
    sql`create index usage_events_at on usage_events (at)`,
    sql`alter table usage_events drop constraint usage_events_pkey`,
    sql`alter table usage_events add column id uuid not null default gen_random_uuid() primary key`,
    sql`alter table usage_events alter column id drop default`,
    sql`alter table usage_events add constraint usage_events_connection_id_seq_key unique (connection_id, seq)`,
    sql`alter table usage_events add constraint usage_events_connection_id_fkey
      foreign key (connection_id) references proxy_connections (id) on delete cascade`,
  ]);
}
