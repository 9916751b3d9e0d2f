import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** Credentials, the connections made with them, the bytes those carried, and the exits there are. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table proxy_credentials (
      id text primary key,
      user_id text not null references "user" (id) on delete cascade,
      username text not null unique check (username ~ '^[a-z0-9_]{4,64}$'),
      password_hmac bytea not null check (octet_length(password_hmac) = 32),
      label text not null check (char_length(label) between 1 and 100),
      created_at timestamptz not null default current_timestamp,
      last_used_at timestamptz,
      revoked_at timestamptz
    )`,
    sql`create index proxy_credentials_user on proxy_credentials (user_id, created_at)`,

    sql`create table proxy_locations (
      id text primary key,
      country text not null check (country ~ '^[a-z]{2}$'),
      region text,
      city text,
      label text not null,
      network text not null check (network in ('residential', 'datacenter', 'mobile', 'demonstration')),
      servers integer not null default 0 check (servers >= 0),
      latency double precision check (latency >= 0),
      uptime double precision check (uptime between 0 and 1),
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`comment on column proxy_locations.latency is 'milliseconds'`,
    sql`comment on column proxy_locations.uptime is 'share of checks that succeeded, 0 to 1'`,
    sql`create index proxy_locations_country on proxy_locations (country, city)`,

    sql`create table proxy_connections (
      id uuid primary key,
      user_id text not null references "user" (id) on delete cascade,
      credential_id text not null references proxy_credentials (id) on delete cascade,
      gateway_id text not null,
      client text not null,
      protocol text not null check (protocol in ('http', 'connect', 'socks5')),
      target_host text not null,
      target_port integer not null check (target_port between 1 and 65535),
      exit_country text check (exit_country ~ '^[a-z]{2}$'),
      exit_city text,
      exit_label text,
      exit_address text,
      upstream text,
      opened_at timestamptz not null,
      closed_at timestamptz,
      outcome text,
      sent_bytes bigint not null default 0 check (sent_bytes >= 0),
      received_bytes bigint not null default 0 check (received_bytes >= 0),
      requests bigint not null default 0 check (requests >= 0),
      last_seq integer not null default 0 check (last_seq >= 0),
      check ((closed_at is null) = (outcome is null))
    )`,
    sql`create index proxy_connections_user_opened on proxy_connections (user_id, opened_at desc, id desc)`,
    sql`create index proxy_connections_credential on proxy_connections (credential_id)`,
    sql`create index proxy_connections_open on proxy_connections (gateway_id, user_id) where closed_at is null`,

    // The id is permanent: an event that is written twice, however late, is counted once.
    sql`create table usage_events (
      id uuid primary key,
      connection_id uuid not null references proxy_connections (id) on delete cascade,
      seq integer not null check (seq > 0),
      sent_bytes_total bigint not null check (sent_bytes_total >= 0),
      received_bytes_total bigint not null check (received_bytes_total >= 0),
      requests_total bigint not null check (requests_total >= 0),
      at timestamptz not null,
      unique (connection_id, seq)
    )`,
    sql`create index usage_events_at on usage_events (at)`,

    sql`create table proxy_usage (
      user_id text not null references "user" (id) on delete cascade,
      credential_id text not null references proxy_credentials (id) on delete cascade,
      hour timestamptz not null check (date_trunc('hour', hour, 'UTC') = hour),
      exit_country text not null default '' check (exit_country ~ '^([a-z]{2})?$'),
      protocol text not null check (protocol in ('http', 'connect', 'socks5')),
      sent_bytes bigint not null default 0 check (sent_bytes >= 0),
      received_bytes bigint not null default 0 check (received_bytes >= 0),
      requests bigint not null default 0 check (requests >= 0),
      failed bigint not null default 0 check (failed >= 0),
      primary key (user_id, hour, credential_id, exit_country, protocol)
    )`,
    sql`create index proxy_usage_credential on proxy_usage (credential_id)`,

    sql`create table traffic_balances (
      user_id text primary key references "user" (id) on delete cascade,
      allowance_bytes bigint not null default 0 check (allowance_bytes >= 0),
      used_bytes bigint not null default 0 check (used_bytes >= 0),
      resets_at timestamptz,
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`create index traffic_balances_resets on traffic_balances (resets_at)`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table traffic_balances`,
    sql`drop table proxy_usage`,
    sql`drop table usage_events`,
    sql`drop table proxy_connections`,
    sql`drop table proxy_locations`,
    sql`drop table proxy_credentials`,
  ]);
}
