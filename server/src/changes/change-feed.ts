import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import type { OpenDatabase } from "../db/open.ts";
import type { Schema } from "../db/schema.ts";
import { type Change, changeSchema } from "./change.ts";

const CHANNEL = "atlantic_changes";
/** How often it is looked whether a change of settings was missed. */
const POLL_MS = 1_000;
/** How often at most usage is told. */
const USAGE_MS = 500;
/** Postgres takes at most 8,000 bytes at once. */
const USERS_AT_ONCE = 100;

export interface ChangeFeedParts {
  readonly database: Pick<OpenDatabase, "db" | "listen">;
  readonly logger: Logger;
  readonly pollMs?: number;
}

/**
 * What changed anywhere, told to every process by the database: within milliseconds as a rule. Changes of settings are
 * told by the tables themselves (migration `changes`), whoever made them. Where a telling was missed, `onGap` is called:
 * after a reconnect, and when the count of changes is ahead of what was told.
 */
export async function openChangeFeed(parts: ChangeFeedParts): Promise<ChangeFeed> {
  const feed = new ChangeFeed(parts);
  await feed.begin();
  return feed;
}

export class ChangeFeed {
  readonly #parts: ChangeFeedParts;
  readonly #changed = new Set<(change: Change) => void>();
  readonly #gaps = new Set<() => void>();
  readonly #usage = new Set<string>();
  #stop: (() => Promise<void>) | undefined;
  #poller: NodeJS.Timeout | undefined;
  #usageTimer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #epoch = 0n;

  constructor(parts: ChangeFeedParts) {
    this.#parts = parts;
  }

  async begin(): Promise<void> {
    const { database, pollMs } = this.#parts;
    this.#stop = await database.listen(CHANNEL, {
      message: (payload) => this.#hear(payload),
      gap: () => this.#reread(),
    });
    this.#epoch = await readEpoch(database.db);
    this.#poller = setInterval(() => {
      this.#polling ??= this.#poll().finally(() => {
        this.#polling = undefined;
      });
    }, pollMs ?? POLL_MS);
    this.#poller.unref();
  }

  /** @returns how to stop */
  onChange(listener: (change: Change) => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  /** Calls back when changes may have been missed: whoever remembers anything has to read it again. */
  onGap(listener: () => void): () => void {
    this.#gaps.add(listener);
    return () => this.#gaps.delete(listener);
  }

  /** Asks whichever process has this connection to end it. */
  async tellDisconnect(connectionId: string): Promise<void> {
    await tell(this.#parts.database.db, { kind: "disconnect", connectionId });
  }

  /** Tells, soon and together with others, that usage of an account was stored. */
  tellUsage(userId: string): void {
    this.#usage.add(userId);
    this.#usageTimer ??= setTimeout(() => this.#tellUsage(), USAGE_MS);
    this.#usageTimer.unref();
  }

  #tellUsage(): void {
    this.#usageTimer = undefined;
    const users = [...this.#usage];
    this.#usage.clear();
    for (let at = 0; at < users.length; at += USERS_AT_ONCE) {
      // Only a picture is late when this fails.
      tell(this.#parts.database.db, {
        kind: "usage",
        userIds: users.slice(at, at + USERS_AT_ONCE),
      }).catch(() => {});
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#poller);
    clearTimeout(this.#usageTimer);
    await this.#polling;
    await this.#stop?.();
  }

  #hear(payload: string): void {
    const change = readChange(payload);
    if (change === undefined) {
      this.#parts.logger.warn("a change was told that cannot be read; everything is read again");
      this.#reread();
      return;
    }
    if (change.kind === "settings" && change.epoch !== undefined) {
      const epoch = BigInt(change.epoch);
      if (epoch > this.#epoch + 1n) this.#reread();
      if (epoch > this.#epoch) this.#epoch = epoch;
    }
    for (const listener of this.#changed) listener(change);
  }

  #reread(): void {
    for (const listener of this.#gaps) listener();
  }

  /** What was told is known by now, unless it was missed: then the count is ahead. */
  async #poll(): Promise<void> {
    const known = this.#epoch;
    const epoch = await readEpoch(this.#parts.database.db).catch(() => known);
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    this.#reread();
  }
}

function readChange(payload: string): Change | undefined {
  try {
    return changeSchema.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
}

async function tell(db: Kysely<Schema>, change: Change): Promise<void> {
  await sql`select pg_notify(${CHANNEL}, ${JSON.stringify(change)})`.execute(db);
}

async function readEpoch(db: Kysely<Schema>): Promise<bigint> {
  const { rows } = await sql<{ value: bigint }>`select value from settings_epoch`.execute(db);
  return rows[0]?.value ?? 0n;
}
