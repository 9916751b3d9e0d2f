import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../../db/schema.ts";
import { AuditLog } from "../../services/audit-log.ts";
import { compareBalances, compareConnections, compareHours } from "./compare-books.ts";
import { compareReceipts } from "./compare-receipts.ts";
import type { Difference } from "./difference.ts";
import { compareProviders, type ProviderComparison, type ProviderUsageSource } from "./provider-usage.ts";

/** What a reconciliation found. */
export interface Reconciliation {
  readonly at: Date;
  readonly from: Date;
  readonly receipts: number;
  readonly differences: readonly Difference[];
  readonly differenceBytes: bigint;
  readonly providers: readonly ProviderComparison[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How far back the hours and receipts are compared each night: a night or two may be missed. */
const SPAN_MS = 8 * DAY_MS;

/** The name of the figure to watch, in the log. */
const METRIC = "atlantic_usage_reconcile_delta_bytes";

/**
 * Compares all books that bytes are written in: events with connections, hours, balances and receipts, and the
 * providers' own figures where they have any. The outcome is kept; any difference is an alarm in the audit log and in
 * the log.
 */
export async function reconcile(
  db: Kysely<Schema>,
  now: Date,
  { log, providers = [] }: { log: Logger; providers?: readonly ProviderUsageSource[] },
): Promise<Reconciliation> {
  const from = new Date(Math.floor((now.getTime() - SPAN_MS) / HOUR_MS) * HOUR_MS);
  const books = await db
    .transaction()
    // What is written meanwhile is not seen, in no book.
    .setIsolationLevel("repeatable read")
    .execute(async (transaction) => {
      const receipts = await compareReceipts(transaction, from);
      const differences = [
        ...(await compareHours(transaction, from)),
        ...(await compareConnections(transaction, from)),
        ...(await compareBalances(transaction)),
        ...receipts.differences,
      ];
      return { differences, receipts: receipts.receipts };
    });
  const until = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const outside = await compareProviders(db, providers, { from: until - DAY_MS, until });
  const differences = [...books.differences, ...outside.differences];
  const differenceBytes = differences.reduce((sum, { delta }) => sum + magnitude(BigInt(delta)), 0n);
  const outcome = { at: now, from, ...books, differences, differenceBytes, providers: outside.providers };
  await keep(db, outcome);
  const told = {
    [METRIC]: Number(differenceBytes),
    differences: differences.length,
    receipts: books.receipts,
  };
  if (differences.length === 0) log.info(told, "usage was reconciled");
  else log.error({ ...told, first: differences.slice(0, 20) }, "usage does not reconcile");
  return outcome;
}

async function keep(db: Kysely<Schema>, outcome: Reconciliation): Promise<void> {
  const { differences } = outcome;
  await db.transaction().execute(async (transaction) => {
    await transaction
      .insertInto("reconciliations")
      .values({
        at: outcome.at,
        checked_from: outcome.from,
        receipts: outcome.receipts,
        difference_count: differences.length,
        difference_bytes: outcome.differenceBytes,
        differences: JSON.stringify(differences.slice(0, 100)),
        providers: JSON.stringify(outcome.providers),
      })
      .execute();
    if (differences.length === 0) return;
    const nobody = { userId: null, address: null, userAgent: null, requestId: null };
    await new AuditLog().record(
      transaction,
      nobody,
      "usage.not_reconciled",
      differences[0]?.subject ?? null,
      {
        differences: differences.length,
        bytes: String(outcome.differenceBytes),
        first: differences[0]?.sentence ?? null,
      },
    );
  });
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** What the last reconciliation found, for people; null before the first. */
export async function lastReconciliation(
  db: Kysely<Schema>,
): Promise<{ readonly at: Date; readonly differences: number; readonly bytes: bigint } | null> {
  const row = await db
    .selectFrom("reconciliations")
    .select(["at", "difference_count", "difference_bytes"])
    .orderBy("at", "desc")
    .limit(1)
    .executeTakeFirst();
  return row ? { at: row.at, differences: row.difference_count, bytes: row.difference_bytes } : null;
}
