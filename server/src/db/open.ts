import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Kysely, PGliteDialect, PostgresDialect } from "kysely";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import type { Schema } from "./schema.ts";
import { parsers, pgliteParsers } from "./value-parsers.ts";

/** An open database: the query builder, and how to close what stands behind it. */
export interface OpenDatabase {
  readonly kind: "pglite" | "postgres";
  readonly db: Kysely<Schema>;
  /**
   * Runs one statement outside of Kysely, for libraries that bring their own SQL (pg-boss).
   * Values come back as those libraries expect them from `pg`: int8 as text.
   */
  readonly runRaw: (text: string, values?: readonly unknown[]) => Promise<{ rows: unknown[] }>;
  /** Ends every connection; with PGlite the data is flushed and the directory given free. */
  readonly close: () => Promise<void>;
}

/** Where the database is: a Postgres server, or a directory that PGlite keeps for itself. */
export type DatabasePlace =
  | { readonly kind: "postgres"; readonly url: string; readonly connections?: number }
  | { readonly kind: "pglite"; readonly directory: string };

/**
 * Opens the database.
 *
 * PGlite is one connection: inside `db.transaction()` use the transaction and never `db`, which would wait for itself.
 *
 * @throws DirectoryInUseError when another process has the PGlite directory open.
 */
export async function openDatabase(place: DatabasePlace): Promise<OpenDatabase> {
  return place.kind === "postgres" ? openPostgres(place) : openPglite(place);
}

async function openPostgres(place: { url: string; connections?: number }): Promise<OpenDatabase> {
  const { Pool, types } = (await import("pg")).default;
  const pool = new Pool({
    connectionString: place.url,
    max: place.connections ?? 10,
    types: {
      getTypeParser: (oid: number, format?: "text" | "binary") =>
        format === "binary" ? types.getTypeParser(oid, format) : (parsers[oid] ?? types.getTypeParser(oid)),
    },
  });
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on("error", () => {});
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return {
    kind: "postgres",
    db,
    runRaw: async (text, values = []) => {
      const query = { text, values: [...values], types };
      const { rows } = await pool.query(query);
      return { rows };
    },
    close: () => db.destroy(),
  };
}

async function openPglite(place: { directory: string }): Promise<OpenDatabase> {
  await mkdir(place.directory, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(place.directory);
  try {
    return await openLocked(place.directory, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openLocked(directory: string, lock: DirectoryLock): Promise<OpenDatabase> {
  const { PGlite } = await import("@electric-sql/pglite");
  const pglite = await PGlite.create({ dataDir: join(directory, "cluster"), parsers: pgliteParsers });
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) });
  return {
    kind: "pglite",
    db,
    runRaw: async (text, values = []) => {
      if (values.length > 0) return pglite.query(text, [...values], { parsers: { 20: (value) => value } });
      const results = await pglite.exec(text, { parsers: { 20: (value) => value } });
      return { rows: results.at(-1)?.rows ?? [] };
    },
    close: async () => {
      await db.destroy();
      if (!pglite.closed) await pglite.close();
      lock.release();
    },
  };
}
