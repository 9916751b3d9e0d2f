import type { Kysely } from "kysely";
import { type Migration, type MigrationResultSet, Migrator, NO_MIGRATIONS } from "kysely/migration";
import * as accounts from "./2026-11-23-01-accounts.ts";
import * as proxy from "./2026-11-23-02-proxy.ts";
import * as settings from "./2026-11-23-03-settings.ts";
import * as billing from "./2026-11-23-04-billing.ts";
import * as logs from "./2026-11-23-05-logs.ts";
import * as gateways from "./2026-11-23-06-gateways.ts";
import * as usageStorage from "./2026-11-23-07-usage-storage.ts";
import * as receipts from "./2026-11-23-08-receipts.ts";
import * as reconciliation from "./2026-11-23-09-reconciliation.ts";
import * as leases from "./2026-11-23-10-leases.ts";
import * as limits from "./2026-11-23-11-limits.ts";
import * as changes from "./2026-11-23-12-changes.ts";
import * as exitSessions from "./2026-11-23-13-exit-sessions.ts";
import * as datagrams from "./2026-11-23-15-datagrams.ts";
import * as onePassword from "./2026-11-30-01-one-password.ts";

/** Every migration under its permanent name. A new one is added at the end; a released one is never edited. */
const migrations: Record<string, Migration> = {
  "2026-11-23-01-accounts": accounts,
  "2026-11-23-02-proxy": proxy,
  "2026-11-23-03-settings": settings,
  "2026-11-23-04-billing": billing,
  "2026-11-23-05-logs": logs,
  "2026-11-23-06-gateways": gateways,
  "2026-11-23-07-usage-storage": usageStorage,
  "2026-11-23-08-receipts": receipts,
  "2026-11-23-09-reconciliation": reconciliation,
  "2026-11-23-10-leases": leases,
  "2026-11-23-11-limits": limits,
  "2026-11-23-12-changes": changes,
  "2026-11-23-13-exit-sessions": exitSessions,
  "2026-11-23-15-datagrams": datagrams,
  "2026-11-30-01-one-password": onePassword,
};

/**
 * Brings the database to the newest data model, in one transaction; several processes may call it at once.
 *
 * @returns the names of the migrations that ran now, oldest first.
 * @throws the database's error when a migration fails; nothing of the attempt remains then.
 */
export async function migrateToLatest<Schema>(db: Kysely<Schema>): Promise<string[]> {
  return namesOrThrow(await migrator(db).migrateToLatest());
}

/**
 * Takes every migration back: the tables and all that is in them are gone afterwards.
 *
 * @returns the names of the migrations taken back, newest first.
 */
export async function migrateDown<Schema>(db: Kysely<Schema>): Promise<string[]> {
  return namesOrThrow(await migrator(db).migrateTo(NO_MIGRATIONS));
}

function migrator<Schema>(db: Kysely<Schema>): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => migrations } });
}

function namesOrThrow(outcome: MigrationResultSet): string[] {
  if (outcome.error !== undefined) throw outcome.error;
  return (outcome.results ?? []).map((result) => result.migrationName);
}
