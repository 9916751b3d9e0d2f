import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Kysely, PGliteDialect, PostgresDialect } from "kysely";
import type { QueryResult } from "pg";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { listenPostgres, type NotificationListener } from "./listen-postgres.ts";
import type { Schema } from "./schema.ts";
import { breakSilentConnections } from "./silent-connections.ts";
import { parsers } from "./value-parsers.ts";

/** An open database: the query builder, and how to close what stands behind it. */
export interface OpenDatabase {
  readonly kind: "pglite" | "postgres";
  readonly db: Kysely<Schema>;
  /**
   * Runs SQL outside of Kysely, for libraries that bring their own (pg-boss): one statement with values, or several
   * without. Values come back as such libraries expect them from `pg`: int8 as text.
   */
  readonly runRaw: (text: string, values?: readonly unknown[]) => Promise<{ rows: unknown[] }>;
  /** Listens to what is told on a channel with `pg_notify`, by this process and others. @returns how to stop */
  readonly listen: (channel: string, listener: NotificationListener) => Promise<() => Promise<void>>;
  /** Ends every connection; with PGlite the data is flushed and the directory given free. */
  readonly close: () => Promise<void>;
}

/** A Postgres server, by its connection string. */
export interface PostgresPlace {
  readonly kind: "postgres";
  readonly url: string;
  readonly connections?: number;
  /** After how many milliseconds without an answer it is asked whether the server still works on it. Default 5,000. */
  readonly silentMs?: number;
}

/** Where the database is: a Postgres server, or a directory that PGlite keeps for itself. */
export type DatabasePlace = PostgresPlace | { readonly kind: "pglite"; readonly directory: string };

/**
 * Opens the database.
 *
 * PGlite is one connection: inside `db.transaction()` use the transaction and never `db`, which would wait for itself.
 *
 * @throws DirectoryInUseError when another process has the PGlite directory open; the driver's error when Postgres
 *   cannot be reached.
 */
export async function openDatabase(place: DatabasePlace): Promise<OpenDatabase> {
  return place.kind === "postgres" ? openPostgres(place) : openPglite(place);
}

const SILENT_MS = 5_000;
/** Connections that stay open when idle: who comes after a quiet moment is not to wait for a new one's log-in. */
const KEPT_CONNECTIONS = 4;

/**
 * The server looks whether we are still there as well: what a connection that broke without a word has locked stays
 * locked until it notices.
 */
const SERVER_SETTINGS =
  "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000";

async function openPostgres({
  url,
  connections,
  silentMs = SILENT_MS,
}: PostgresPlace): Promise<OpenDatabase> {
  const { Pool, types } = (await import("pg")).default;
  const config = {
    options: SERVER_SETTINGS,
    connectionString: url,
    keepAlive: true,
    keepAliveInitialDelayMillis: silentMs,
    connectionTimeoutMillis: 2 * silentMs,
  };
  const pool = new Pool({
    ...config,
    max: connections ?? 10,
    min: KEPT_CONNECTIONS,
    types: {
      getTypeParser: (oid: number, format?: "text" | "binary") =>
        format === "binary" ? types.getTypeParser(oid, format) : (parsers[oid] ?? types.getTypeParser(oid)),
    },
  });
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on("error", () => {});
  // The same of one that breaks while it is in use: whoever asked over it is told by the query.
  pool.on("connect", (client) => client.on("error", () => {}));
  const stopWatching = breakSilentConnections(pool, config, silentMs);
  const { batchingPool } = await import("./batching-pool.ts");
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: batchingPool(pool) }) });
  // The pool connects with its first query: whether it can is to be known now.
  await pool.query("select 1").catch(async (error: unknown) => {
    stopWatching();
    await pool.end();
    throw error;
  });
  return {
    kind: "postgres",
    db,
    runRaw: async (text, values = []) => {
      const answer: QueryResult | QueryResult[] = await pool.query({ text, values: [...values], types });
      return { rows: [answer].flat().flatMap((result) => result.rows) };
    },
    listen: (channel, listener) => listenPostgres(config, channel, listener, silentMs),
    close: () => db.destroy().finally(stopWatching),
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

/** Postgres would take 128 MB for its cache; our working set is small, and the system caches the files once more. */
const PGLITE_SETTINGS = ["-c", "shared_buffers=16MB"];

async function openLocked(directory: string, lock: DirectoryLock): Promise<OpenDatabase> {
  const { ThreadedPglite } = await import("./threaded-pglite.ts");
  const pglite = await ThreadedPglite.open({
    dataDirectory: join(directory, "cluster"),
    settings: PGLITE_SETTINGS,
  });
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) });
  return {
    kind: "pglite",
    db,
    runRaw: (text, values = []) => pglite.runRaw(text, values),
    listen: (channel, { message }) => pglite.listen(channel, message),
    close: async () => {
      await db.destroy();
      await pglite.close();
      lock.release();
    },
  };
}
