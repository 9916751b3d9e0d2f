import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateToLatest } from "@atlantic/migrations/migrate.ts";
import { type OpenDatabase, openDatabase } from "../open.ts";
import { seedPglite } from "./pglite-template.ts";
import { startTemporaryPostgres } from "./temporary-postgres.ts";

/** The databases that everything has to work on. */
export const databaseKinds = ["pglite", "postgres"] as const;
export type DatabaseKind = (typeof databaseKinds)[number];

/** Opens a fresh, migrated database of this kind; `close` removes it, with the Postgres that was started for it. */
export async function openTemporaryDatabase(kind: DatabaseKind): Promise<OpenDatabase> {
  const { database, remove } = kind === "pglite" ? await openPglite() : await openPostgres();
  await migrateToLatest(database.db);
  return {
    ...database,
    close: async () => {
      await database.close();
      await remove();
    },
  };
}

async function openPglite(): Promise<{ database: OpenDatabase; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "atlantic-db-"));
  await seedPglite(directory);
  const database = await openDatabase({ kind: "pglite", directory });
  return { database, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function openPostgres(): Promise<{ database: OpenDatabase; remove: () => Promise<void> }> {
  const postgres = await startTemporaryPostgres();
  const database = await openDatabase({ kind: "postgres", url: await postgres.createDatabase() });
  return { database, remove: () => postgres.stop() };
}
