import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * Limits of single credentials. A row without a credential is the account's default; one with a credential overrides
 * it field by field, where null means "as the account" and 0 "no limit although the account has one".
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`alter table throttling_settings
      drop constraint throttling_settings_pkey,
      drop constraint throttling_settings_requests_per_second_check,
      drop constraint throttling_settings_bandwidth_limit_check,
      add column id uuid primary key default gen_random_uuid(),
      add column credential_id text references proxy_credentials (id) on delete cascade,
      add column connections integer,
      add constraint throttling_settings_requests check (requests_per_second >= 0),
      add constraint throttling_settings_bandwidth check (bandwidth_limit >= 0),
      add constraint throttling_settings_connections check (connections >= 0),
      add constraint throttling_settings_account_limits check (credential_id is not null
        or (coalesce(requests_per_second, 1) > 0 and coalesce(bandwidth_limit, 1) > 0 and coalesce(connections, 1) > 0))`,
    sql`create unique index throttling_settings_account on throttling_settings (user_id) where credential_id is null`,
    sql`create unique index throttling_settings_credential on throttling_settings (credential_id)`,

    sql`create table target_rules (
      id uuid primary key default gen_random_uuid(),
      user_id text not null references "user" (id) on delete cascade,
      credential_id text references proxy_credentials (id) on delete cascade,
      allowed_ports jsonb check (jsonb_typeof(allowed_ports) = 'array'),
      allowed_targets jsonb check (jsonb_typeof(allowed_targets) = 'array'),
      blocked_targets jsonb not null default '[]' check (jsonb_typeof(blocked_targets) = 'array'),
      updated_at timestamptz not null default current_timestamp
    )`,
    sql`comment on table target_rules is 'null: as the account; blocked targets of both hold together'`,
    sql`create unique index target_rules_account on target_rules (user_id) where credential_id is null`,
    sql`create unique index target_rules_credential on target_rules (credential_id)`,

    sql`alter table custom_headers
      add column credential_id text references proxy_credentials (id) on delete cascade`,
    sql`drop index custom_headers_user_name`,
    sql`create unique index custom_headers_user_name
      on custom_headers (user_id, coalesce(credential_id, ''), lower(name))`,
    sql`create index custom_headers_credential on custom_headers (credential_id)`,

    sql`alter table proxy_authentication add constraint proxy_authentication_credential
      foreign key (username) references proxy_credentials (username) on delete cascade`,
    sql`create index proxy_authentication_method on proxy_authentication (auth_method)`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop index proxy_authentication_method`,
    sql`alter table proxy_authentication drop constraint proxy_authentication_credential`,
    sql`delete from custom_headers where credential_id is not null`,
    sql`drop index custom_headers_user_name`,
    sql`alter table custom_headers drop column credential_id`,
    sql`create unique index custom_headers_user_name on custom_headers (user_id, lower(name))`,
    sql`drop table target_rules`,
    sql`delete from throttling_settings where credential_id is not null`,
    sql`alter table throttling_settings
      drop constraint throttling_settings_account_limits,
      drop constraint throttling_settings_requests,
      drop constraint throttling_settings_bandwidth,
      drop column connections,
      drop column credential_id,
      drop column id,
      add primary key (user_id),
      add constraint throttling_settings_requests_per_second_check check (requests_per_second > 0),
      add constraint throttling_settings_bandwidth_limit_check check (bandwidth_limit > 0)`,
  ]);
}
