import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";
import type { BalanceAfter } from "./charge-balances.ts";
import { closeLost } from "./close-lost.ts";
import { foldUsage } from "./fold-usage.ts";
import type { Lease, LeaseWish } from "./leases.ts";
import type { UsageEvent } from "./usage-event.ts";
import type {
  ConnectionRecord,
  ConnectionTotals,
  MeteredConnection,
  UsageRecorder,
} from "./usage-recorder.ts";

/** Time from a byte to its row in the database, when the database keeps up: below half a second. */
const FLUSH_MS = 400;
/** Connections in one transaction. */
const BATCH = 2_000;
/** A lease waits with the writing of no more connections than this. */
const LEASED_BATCH = 50;
/** How long an account's balance is believed without looking again. */
const BALANCE_FRESH_MS = 1_000;
/** How long the database may be silent before that is a problem, and before it is asked when there is nothing to write. */
const SILENT_MS = 5_000;
/** Connections that may wait for a database that does not answer, before no more are opened. */
const MAX_BACKLOG = 200_000;

const NOT_WRITTEN = "Usage cannot be written to the database; it is kept and tried again.";

interface Tracked {
  readonly connection: MeteredConnection;
  written: ConnectionTotals | undefined;
  writtenRecord: ConnectionRecord | undefined;
  /** The number of the last event that is known to be stored, and of the last that was tried. */
  writtenSeq: number;
  writtenEpoch: bigint;
  seq: number;
}

interface Balance {
  readonly remainingBytes: bigint;
  readonly readAt: number;
}

export interface StoredUsageParts {
  readonly db: Kysely<Schema>;
  /** Stable for this gateway over restarts, and no other gateway's. */
  readonly gatewayId: string;
  readonly logger: Logger;
  readonly clock?: () => number;
  readonly flushMs?: number;
}

/**
 * Starts writing usage to the database. Connections that an earlier run of this gateway left open are closed first, at
 * the moment of their last event: what came after it, at most one flush interval, is lost.
 */
export async function startStoredUsage(parts: StoredUsageParts): Promise<StoredUsage> {
  await closeLost(parts.db, { kind: "of", gatewayId: parts.gatewayId });
  return new StoredUsage(parts);
}

/** Writes absolute totals in batches, about twice a second, each exactly once. */
export class StoredUsage implements UsageRecorder {
  readonly #parts: StoredUsageParts;
  readonly #clock: () => number;
  readonly #tracked = new Set<Tracked>();
  readonly #balances = new Map<string, Balance>();
  /** Of accounts whose balance is being read. */
  readonly #readings = new Map<string, Promise<bigint>>();
  readonly #listeners = new Set<(userId: string) => void>();
  readonly #timer: NodeJS.Timeout;
  #flushing: Promise<void> | undefined;
  #flushingSince = 0;
  #flushingInBackground = false;
  /** When the database last answered. */
  #answeredAt: number;
  #problem: string | null = null;

  constructor(parts: StoredUsageParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? Date.now;
    this.#answeredAt = performance.now();
    this.#timer = setInterval(() => this.#flushInBackground(), parts.flushMs ?? FLUSH_MS);
    this.#timer.unref();
  }

  open(connection: MeteredConnection): void {
    this.#tracked.add({
      connection,
      written: undefined,
      writtenRecord: undefined,
      writtenSeq: 0,
      writtenEpoch: 0n,
      seq: 0,
    });
  }

  mayOpen(userId: string): boolean | Promise<boolean> {
    if (this.#tracked.size > MAX_BACKLOG) return false;
    const known = this.#balances.get(userId);
    if (known && known.remainingBytes > 0n && this.#clock() - known.readAt < BALANCE_FRESH_MS) return true;
    return this.#hasBytes(userId);
  }

  /** One reading serves all who come while it is under way: a burst of connections would take up the whole pool. */
  async #hasBytes(userId: string): Promise<boolean> {
    const underWay = this.#readings.get(userId);
    if (underWay !== undefined && (await underWay) > 0n) return true;
    // That one may have been from before a top-up; what begins now is not.
    return (await (this.#readings.get(userId) ?? this.#startReading(userId))) > 0n;
  }

  #startReading(userId: string): Promise<bigint> {
    const reading = this.#readBalance(userId).finally(() => this.#readings.delete(userId));
    this.#readings.set(userId, reading);
    return reading;
  }

  async #readBalance(userId: string): Promise<bigint> {
    const row = await this.#parts.db
      .selectFrom("traffic_balances")
      .select(["allowance_bytes", "used_bytes"])
      .where("user_id", "=", userId)
      .executeTakeFirst();
    const remainingBytes = row ? row.allowance_bytes - row.used_bytes : 0n;
    this.#balances.set(userId, { remainingBytes, readAt: this.#clock() });
    return remainingBytes;
  }

  onUsage(listener: (userId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  problem(): string | null {
    const isSilent = this.#flushing !== undefined && performance.now() - this.#flushingSince > SILENT_MS;
    return this.#problem ?? (isSilent ? NOT_WRITTEN : null);
  }

  /** How many connections wait for their first or last row, and when the database last answered, ms since 1970. */
  backlog(): { readonly connections: number; readonly answeredAt: number } {
    let connections = 0;
    for (const { connection, written } of this.#tracked) {
      if (written === undefined || connection.end !== undefined) connections += 1;
    }
    return { connections, answeredAt: performance.timeOrigin + this.#answeredAt };
  }

  /** Waits for a flush that is under way and writes what has come since. */
  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing.catch(() => {});
    await this.#whileFlushing(this.#writeAll());
  }

  /**
   * Writes what is counted of an account and takes a lease in the same exchange: one where it would be two or three.
   * @returns undefined where that cannot be done at once, and no lease was taken
   */
  async flushAndTake(wish: LeaseWish): Promise<Lease | undefined> {
    await this.#flushing?.catch(() => {});
    if (this.#flushing) return undefined;
    const changed = this.#changed(wish.userId);
    if (changed.length === 0 || changed.length > LEASED_BATCH) return undefined;
    let lease: Lease | undefined;
    const write = async () => {
      lease = await this.#write(changed, wish);
      this.#answeredAt = performance.now();
    };
    await this.#whileFlushing(write());
    return lease;
  }

  async #whileFlushing(work: Promise<void>): Promise<void> {
    this.#flushingSince = performance.now();
    this.#flushing = work.finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Also where a fast account's writing is always under way: others' usage comes after it. */
  #flushInBackground(): void {
    if (this.#flushingInBackground) return;
    this.#flushingInBackground = true;
    this.flush()
      .catch((error) => {
        this.#problem = NOT_WRITTEN;
        this.#parts.logger.error({ err: error }, "usage was not written");
      })
      .finally(() => {
        this.#flushingInBackground = false;
      });
  }

  async #writeAll(): Promise<void> {
    const changed = this.#changed();
    for (let at = 0; at < changed.length; at += BATCH) await this.#write(changed.slice(at, at + BATCH));
    if (changed.length === 0) await this.#askWhetherItAnswers();
    else this.#isWritten();
  }

  /** @param of an account; all, where it is left out */
  #changed(of?: string): Tracked[] {
    const changed: Tracked[] = [];
    for (const tracked of this.#tracked) {
      const isWanted = of === undefined || tracked.connection.record.userId === of;
      if (isWanted && hasNews(tracked)) changed.push(tracked);
    }
    return changed;
  }

  #isWritten(): void {
    this.#answeredAt = performance.now();
    this.#problem = null;
  }

  /** That the database is gone has to be known even when nobody has anything to write. */
  async #askWhetherItAnswers(): Promise<void> {
    if (this.#problem === null && performance.now() - this.#answeredAt < SILENT_MS) return;
    await sql`select 1`.execute(this.#parts.db);
    this.#isWritten();
  }

  async #write(batch: readonly Tracked[], wish?: LeaseWish): Promise<Lease | undefined> {
    const at = this.#clock();
    const written = batch.map((tracked) => ({ tracked, event: eventOf(tracked, at) }));
    // A write that fails may have happened all the same: whatever comes next needs a number of its own.
    for (const { tracked, event } of written) tracked.seq = event.seq;
    const { balances, closedElsewhere, epoch, lease } = await foldUsage(
      this.#parts.db,
      this.#parts.gatewayId,
      written.map(({ event }) => event),
      wish,
    );
    for (const { tracked, event } of written) {
      tracked.written = event.totals;
      tracked.writtenRecord = event.connection;
      tracked.writtenSeq = event.seq;
      tracked.writtenEpoch = epoch;
      if (event.end) this.#tracked.delete(tracked);
    }
    if (closedElsewhere.length > 0) this.#giveUp(new Set(closedElsewhere), batch);
    this.#settle(balances, at);
    const users = new Set(batch.map(({ connection }) => connection.record.userId));
    for (const userId of users) for (const listener of this.#listeners) listener(userId);
    return lease;
  }

  /** What was believed lost and closed has its receipt: it may carry nothing more. */
  #giveUp(closed: ReadonlySet<string>, batch: readonly Tracked[]): void {
    for (const tracked of batch) {
      const { connection } = tracked;
      if (!closed.has(connection.record.id)) continue;
      this.#parts.logger.warn(
        { connection: connection.record.id },
        "cut a connection that was closed as lost",
      );
      this.#tracked.delete(tracked);
      if (connection.end === undefined) connection.cut("gateway_lost");
    }
  }

  /** An account that has nothing left loses its connections now, and its next one is refused. */
  #settle(balances: readonly BalanceAfter[], readAt: number): void {
    const exhausted = new Set<string>();
    for (const { userId, remainingBytes } of balances) {
      this.#balances.set(userId, { remainingBytes, readAt });
      if (remainingBytes <= 0n) exhausted.add(userId);
    }
    if (exhausted.size === 0) return;
    for (const { connection } of this.#tracked) {
      if (connection.end === undefined && exhausted.has(connection.record.userId)) connection.cut();
    }
  }
}

function hasNews({ connection, written, writtenRecord }: Tracked): boolean {
  if (written === undefined || connection.end !== undefined) return true;
  if (connection.record !== writtenRecord) return true;
  const now = connection.totals();
  return (
    now.sentBytes !== written.sentBytes ||
    now.receivedBytes !== written.receivedBytes ||
    now.requests !== written.requests ||
    now.unchargedSentBytes !== written.unchargedSentBytes ||
    now.unchargedReceivedBytes !== written.unchargedReceivedBytes ||
    now.tlsBytes !== written.tlsBytes
  );
}

function eventOf(
  { connection, seq, written, writtenRecord, writtenSeq, writtenEpoch }: Tracked,
  at: number,
): UsageEvent {
  // The end is read before the totals: what moves between the two belongs to the next event or to none.
  const { end, record } = connection;
  return {
    connection: record,
    connectionStored: written !== undefined,
    // What a write whose outcome is not known has stored has to be looked up.
    ...(written !== undefined && writtenSeq === seq && { base: { totals: written, epoch: writtenEpoch } }),
    recordChanged: written !== undefined && record !== writtenRecord,
    seq: seq + 1,
    totals: connection.totals(),
    at,
    ...(end && { end }),
  };
}
