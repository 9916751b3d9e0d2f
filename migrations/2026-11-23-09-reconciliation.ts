import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * What the nightly comparison needs and finds: all that was ever charged to an account, which no new month sets back,
 * the sums of events that are not kept any more, and each night's outcome.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`alter table traffic_balances
      add column charged_bytes bigint not null default 0 check (charged_bytes >= 0)`,
    sql`comment on column traffic_balances.charged_bytes is 'ever, over all months: it never falls'`,
    sql`update traffic_balances b set charged_bytes = coalesce(
      (select sum(sent_bytes + received_bytes) from proxy_usage u where u.user_id = b.user_id), 0)`,
    sql`create table pruned_usage (
      user_id text not null references "user" (id) on delete cascade,
      hour timestamptz not null,
      sent_bytes bigint not null default 0,
      received_bytes bigint not null default 0,
      requests bigint not null default 0,
      uncharged_bytes bigint not null default 0,
      tls_bytes bigint not null default 0,
      primary key (user_id, hour)
    )`,
    sql`comment on table pruned_usage is 'what usage events came to that are not kept any more'`,
    sql`create table reconciliations (
      id bigint generated always as identity primary key,
      at timestamptz not null,
      checked_from timestamptz not null,
      receipts integer not null,
      difference_count integer not null,
      difference_bytes bigint not null,
      differences jsonb not null default '[]' check (jsonb_typeof(differences) = 'array'),
      providers jsonb not null default '[]' check (jsonb_typeof(providers) = 'array')
    )`,
    sql`create index reconciliations_at on reconciliations (at desc)`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table reconciliations`,
    sql`drop table pruned_usage`,
    sql`alter table traffic_balances drop column charged_bytes`,
  ]);
}
