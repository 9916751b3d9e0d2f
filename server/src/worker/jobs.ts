import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";
import { closeLost } from "../metering/close-lost.ts";
import type { ProviderUsageSource } from "../metering/reconciliation/provider-usage.ts";
import { pruneEvents } from "../metering/reconciliation/prune-events.ts";
import { reconcile } from "../metering/reconciliation/reconcile.ts";
import { startOfNextMonth } from "../services/allowance.ts";
import type { Job } from "./job.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A gateway that has not been seen for this long has crashed. It renews its row every ten seconds. */
const GATEWAY_LOST_MS = MINUTE_MS;

/** How long logs of connections are kept. */
const CONNECTION_LOGS_MS = 30 * DAY_MS;

/** How long a sticky session is remembered beyond its end: ids of one address must never have another. */
const EXIT_SESSIONS_MS = 30 * DAY_MS;

/** Everything the worker does, and when. */
export const jobs: readonly Job[] = [
  { name: "close-lost-connections", cron: "* * * * *", atStart: true, run: closeLostConnections },
  { name: "renew-allowances", cron: "* * * * *", atStart: true, run: renewAllowances },
  { name: "purge-expired-tokens", cron: "7 * * * *", atStart: true, run: purgeExpiredTokens },
  { name: "reconcile-usage", cron: "17 2 * * *", atStart: false, run: reconcileUsage },
  { name: "prune-usage-events", cron: "41 3 * * *", atStart: false, run: pruneEvents },
  { name: "prune-connection-logs", cron: "23 3 * * *", atStart: false, run: pruneConnectionLogs },
  { name: "prune-exit-sessions", cron: "41 3 * * *", atStart: false, run: pruneExitSessions },
];

/**
 * Closes the connections that a crashed gateway left open, at the moment of their last usage event: what came after
 * it, at most one flush interval, is lost.
 */
export async function closeLostConnections(db: Kysely<Schema>, now: Date): Promise<number> {
  const lostBefore = new Date(now.getTime() - GATEWAY_LOST_MS);
  await db.deleteFrom("gateways").where("seen_at", "<", lostBefore).execute();
  return closeLost(db, { kind: "of those that do not live" });
}

/** Begins the allowances anew whose month is over. */
export async function renewAllowances(db: Kysely<Schema>, now: Date): Promise<number> {
  const renewed = await db
    .updateTable("traffic_balances")
    .set({ used_bytes: 0n, resets_at: startOfNextMonth(now), updated_at: now })
    .where("resets_at", "<=", now)
    .executeTakeFirst();
  return Number(renewed.numUpdatedRows);
}

/** Forgets sticky sessions that are long over. */
export async function pruneExitSessions(db: Kysely<Schema>, now: Date): Promise<number> {
  const before = new Date(now.getTime() - EXIT_SESSIONS_MS);
  const gone = await db.deleteFrom("exit_sessions").where("expires_at", "<", before).executeTakeFirst();
  return Number(gone.numDeletedRows);
}

/** Removes sessions, sign-in links and other tokens that are past their end. */
export async function purgeExpiredTokens(db: Kysely<Schema>, now: Date): Promise<number> {
  const sessions = await db.deleteFrom("session").where("expiresAt", "<", now).executeTakeFirst();
  const tokens = await db.deleteFrom("verification").where("expiresAt", "<", now).executeTakeFirst();
  return Number(sessions.numDeletedRows + tokens.numDeletedRows);
}

/** Removes what is older than thirty days. */
export async function pruneConnectionLogs(db: Kysely<Schema>, now: Date): Promise<number> {
  const before = new Date(now.getTime() - CONNECTION_LOGS_MS);
  const pruned = await db.deleteFrom("connection_logs").where("at", "<", before).executeTakeFirst();
  return Number(pruned.numDeletedRows);
}

/** The jobs, with the providers that the reconciliation is to ask; they are read anew each time. */
export function jobsWith(readProviders: () => Promise<readonly ProviderUsageSource[]>): readonly Job[] {
  const run: Job["run"] = async (db, now, log) => {
    const providers = await readProviders();
    return (await reconcile(db, now, { log, providers })).differences.length;
  };
  return jobs.map((job) => (job.name === "reconcile-usage" ? { ...job, run } : job));
}

/** Compares all books that bytes are written in; how many differences there are. */
export async function reconcileUsage(db: Kysely<Schema>, now: Date, log: Logger): Promise<number> {
  const { differences } = await reconcile(db, now, { log });
  return differences.length;
}
