import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** What a person sets for their account: how traffic leaves, how fast, with which headers, and what to be told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table proxy_configurations (
      id uuid primary key default gen_random_uuid(),
      user_id text not null references "user" (id) on delete cascade,
      name text not null,
      protocol text not null check (protocol in ('http', 'https', 'socks5')),
      isp_tier text,
      locations jsonb not null default '[]' check (jsonb_typeof(locations) = 'array'),
      created_at timestamptz not null default current_timestamp,
      updated_at timestamptz not null default current_timestamp,
      unique (user_id, name)
    )`,
    sql`create table session_settings (
      user_id text primary key references "user" (id) on delete cascade,
      enabled boolean not null default false,
      session_duration integer not null default 10 check (session_duration between 1 and 1440),
      ip_stickiness text not null default 'flex' check (ip_stickiness in ('flex', 'strict', 'oneip')),
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`comment on column session_settings.session_duration is 'minutes'`,
    sql`create table custom_headers (
      id uuid primary key default gen_random_uuid(),
      user_id text not null references "user" (id) on delete cascade,
      name text not null check (name ~ '^[!#$%&''*+.^_\`|~0-9A-Za-z-]+$'),
      value text not null check (value !~ '[\\r\\n]'),
      enabled boolean not null default true,
      position integer not null default 0,
      created_at timestamptz not null default current_timestamp
    )`,
    sql`create unique index custom_headers_user_name on custom_headers (user_id, lower(name))`,
    sql`create table throttling_settings (
      user_id text primary key references "user" (id) on delete cascade,
      requests_per_second integer check (requests_per_second > 0),
      bandwidth_limit bigint check (bandwidth_limit > 0),
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`comment on column throttling_settings.bandwidth_limit is 'bytes per second, both directions together'`,
    sql`create table proxy_authentication (
      id uuid primary key default gen_random_uuid(),
      user_id text not null references "user" (id) on delete cascade,
      username text not null unique,
      auth_method text not null check (auth_method in ('password', 'address', 'password_and_address')),
      allowed_addresses jsonb not null default '[]' check (jsonb_typeof(allowed_addresses) = 'array'),
      created_at timestamptz not null default current_timestamp,
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`create index proxy_authentication_user on proxy_authentication (user_id)`,
    sql`create table notification_settings (
      user_id text primary key references "user" (id) on delete cascade,
      email jsonb not null default '{}' check (jsonb_typeof(email) = 'object'),
      push jsonb not null default '{}' check (jsonb_typeof(push) = 'object'),
      updated_at timestamptz not null default current_timestamp
    )`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table notification_settings`,
    sql`drop table proxy_authentication`,
    sql`drop table throttling_settings`,
    sql`drop table custom_headers`,
    sql`drop table session_settings`,
    sql`drop table proxy_configurations`,
  ]);
}
