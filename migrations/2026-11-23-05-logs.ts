import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** What happened to connections, for the person who asks why; and who did what, for the record. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table connection_logs (
      id bigint generated always as identity primary key,
      user_id text not null references "user" (id) on delete cascade,
      connection_id uuid references proxy_connections (id) on delete cascade,
      at timestamptz not null default current_timestamp,
      level text not null check (level in ('info', 'warning', 'error')),
      event text not null,
      details jsonb not null default '{}' check (jsonb_typeof(details) = 'object')
    )`,
    sql`create index connection_logs_user_at on connection_logs (user_id, at desc)`,
    sql`create index connection_logs_connection on connection_logs (connection_id)`,
    sql`create index connection_logs_at on connection_logs (at)`,

    // No foreign key to the account: the record of what was done outlives it.
    sql`create table audit_log (
      id bigint generated always as identity primary key,
      at timestamptz not null,
      user_id text,
      actor text not null,
      action text not null,
      subject text,
      address text,
      user_agent text,
      request_id text,
      details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
      previous_hash bytea,
      hash bytea not null unique check (octet_length(hash) = 32)
    )`,
    sql`create index audit_log_user_at on audit_log (user_id, at desc)`,
    sql`create function audit_log_refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception 'audit_log is append-only' using errcode = 'restrict_violation';
      end $$`,
    sql`create trigger audit_log_append_only before update or delete or truncate on audit_log
        for each statement execute function audit_log_refuse_change()`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table audit_log`,
    sql`drop function audit_log_refuse_change`,
    sql`drop table connection_logs`,
  ]);
}
