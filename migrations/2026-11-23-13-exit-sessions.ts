import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** What all processes of a gateway agree on about a sticky session. Names are hashes: nobody's user name is in them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create table exit_sessions (
      name text primary key,
      number integer not null,
      expires_at timestamptz not null,
      lost boolean not null default false,
      upstream text,
      changed_at timestamptz
    )`,
    sql`create index exit_sessions_changed_at on exit_sessions (changed_at)`,
    sql`create index exit_sessions_expires_at on exit_sessions (expires_at)`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [sql`drop table exit_sessions`]);
}
