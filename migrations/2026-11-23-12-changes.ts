import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

const watched = [
  "throttling_settings",
  "target_rules",
  "custom_headers",
  "proxy_authentication",
  "session_settings",
];

/**
 * Every change of what a gateway remembers is told on the channel `atlantic_changes`, whoever made it, and counted in
 * `settings_epoch`, so that whoever missed the telling finds out. Both happen at the end of the transaction: the row of
 * the count is the last that it locks, and no two transactions can wait for each other there.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table settings_epoch (
      one boolean primary key default true check (one),
      value bigint not null
    )`,
    sql`insert into settings_epoch (value) values (0)`,
    sql`create function tell_settings_changed() returns trigger language plpgsql as $$
      declare
        changed jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
        epoch bigint;
      begin
        update settings_epoch set value = value + 1 returning value into epoch;
        perform pg_notify('atlantic_changes', json_build_object(
          'kind', 'settings',
          'userId', changed ->> 'user_id',
          'credentialId', case when tg_table_name = 'proxy_credentials' then changed ->> 'id'
            else changed ->> 'credential_id' end,
          'epoch', epoch::text
        )::text);
        return null;
      end $$`,
    ...watched.map(
      (table) => sql`create constraint trigger ${sql.ref(`${table}_changed`)}
        after insert or update or delete on ${sql.ref(table)}
        deferrable initially deferred for each row execute function tell_settings_changed()`,
    ),
    sql`create constraint trigger proxy_credentials_changed
      after delete or update of username, password_hmac, revoked_at on proxy_credentials
      deferrable initially deferred for each row execute function tell_settings_changed()`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    ...[...watched, "proxy_credentials"].map(
      (table) => sql`drop trigger ${sql.ref(`${table}_changed`)} on ${sql.ref(table)}`,
    ),
    sql`drop function tell_settings_changed`,
    sql`drop table settings_epoch`,
  ]);
}
