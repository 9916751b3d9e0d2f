import type { Kysely, RawBuilder } from "kysely";

/** Runs statements one after the other: PGlite and the extended protocol of Postgres both take one at a time. */
export async function runStatements(
  db: Kysely<unknown>,
  statements: readonly RawBuilder<unknown>[],
): Promise<void> {
  for (const statement of statements) await statement.execute(db);
}
