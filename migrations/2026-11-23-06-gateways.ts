import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** The gateways that run: one row per run, renewed while it lives, so that what a crashed one left open is known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table gateways (
      id text primary key,
      started_at timestamptz not null default current_timestamp,
      seen_at timestamptz not null default current_timestamp
    )`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [sql`drop table gateways`]);
}
