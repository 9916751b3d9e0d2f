import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/** An account has one password, also when it is set twice at the same moment: a second row would outlive a change. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`create unique index "account_providerId_accountId_key" on "account" ("providerId", "accountId")`,
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [sql`drop index "account_providerId_accountId_key"`]);
}
