import { type Kysely, sql } from "kysely";
import type { Schema } from "../db/schema.ts";
import { authorise, type Caller } from "./caller.ts";
import { countryName } from "./country-name.ts";
import type { LiveGateway } from "./live-gateway.ts";

/** Bytes and requests of some stretch of time. */
export interface UsageTotals {
  readonly sentBytes: bigint;
  readonly receivedBytes: bigint;
  readonly requests: bigint;
  /** Counted and not charged: of attempts that failed by our or the upstream's fault. */
  readonly unchargedSentBytes: bigint;
  readonly unchargedReceivedBytes: bigint;
  /** What the clients' TLS had on the wire beyond the payload; not charged. */
  readonly tlsBytes: bigint;
}

/** The calendar month so far (UTC), and what is left of the allowance. */
export interface UsageSummary {
  readonly month: UsageTotals & { readonly failed: bigint };
  readonly balance: {
    readonly remainingBytes: bigint;
    readonly allowanceBytes: bigint;
    readonly resetsAt: Date | null;
  };
}

/** An account's usage, followed. */
export interface UsageWatch {
  read(): Promise<UsageSummary & { readonly at: Date; readonly openConnections: number }>;
  /** Calls the listener whenever usage of the account was stored; the returned function stops that. */
  onChange(listener: () => void): () => void;
}

/** A stretch of time that ends now. */
export type UsageRange = "day" | "week" | "month";

const HOUR_MS = 3_600_000;

/** How a range is cut into buckets: a month is 30 days. */
const ranges: Readonly<Record<UsageRange, { bucketMs: number; buckets: number }>> = {
  day: { bucketMs: HOUR_MS, buckets: 24 },
  week: { bucketMs: 6 * HOUR_MS, buckets: 28 },
  month: { bucketMs: 24 * HOUR_MS, buckets: 30 },
};

/** Reads what an account has used, from the hourly aggregate that the gateway's events are folded into. */
export class UsageService {
  readonly #db: Kysely<Schema>;
  readonly #gateway: LiveGateway;
  readonly #now: () => Date;

  constructor(parts: { db: Kysely<Schema>; gateway: LiveGateway; now: () => Date }) {
    this.#db = parts.db;
    this.#gateway = parts.gateway;
    this.#now = parts.now;
  }

  async summary(caller: Caller): Promise<UsageSummary> {
    const { userId } = authorise(caller, "usage.summary");
    const now = this.#now();
    const monthStart = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
    const month = await this.#db
      .selectFrom("proxy_usage")
      .select([...totals, sumOf("failed").as("failed")])
      .where("user_id", "=", userId)
      .where("hour", ">=", monthStart)
      .executeTakeFirstOrThrow();
    const balance = await this.#db
      .selectFrom("traffic_balances")
      .select(["allowance_bytes", "used_bytes", "resets_at"])
      .where("user_id", "=", userId)
      .executeTakeFirst();
    const allowanceBytes = balance?.allowance_bytes ?? 0n;
    const left = allowanceBytes - (balance?.used_bytes ?? 0n);
    return {
      month,
      balance: {
        remainingBytes: left > 0n ? left : 0n,
        allowanceBytes,
        resetsAt: balance?.resets_at ?? null,
      },
    };
  }

  /** Usage over time: every bucket of the range, the oldest first, those without traffic too. */
  async series(
    caller: Caller,
    range: UsageRange,
  ): Promise<{ bucketMs: number; points: (UsageTotals & { readonly at: Date })[] }> {
    const { userId } = authorise(caller, "usage.read");
    const { bucketMs, from, buckets } = this.#cut(range);
    const bucket = sql<Date>`date_bin(make_interval(secs => ${bucketMs / 1000}), hour, 'epoch'::timestamptz)`;
    const rows = await this.#db
      .selectFrom("proxy_usage")
      .select([bucket.as("at"), ...totals])
      .where("user_id", "=", userId)
      .where("hour", ">=", from)
      .groupBy(sql`1`)
      .execute();
    const byMoment = new Map(rows.map((row) => [row.at.getTime(), row]));
    const points = Array.from({ length: buckets }, (_, index) => {
      const at = new Date(from.getTime() + index * bucketMs);
      return byMoment.get(at.getTime()) ?? { at, ...NOTHING };
    });
    return { bucketMs, points };
  }

  /** Usage by country of exit, the largest first; null is traffic without an exit. */
  async byExit(
    caller: Caller,
    range: UsageRange,
  ): Promise<(UsageTotals & { readonly country: string | null; readonly label: string })[]> {
    const { userId } = authorise(caller, "usage.read");
    const rows = await this.#db
      .selectFrom("proxy_usage")
      .select(["exit_country", ...totals])
      .where("user_id", "=", userId)
      .where("hour", ">=", this.#cut(range).from)
      .groupBy("exit_country")
      .orderBy(sql`sum(sent_bytes + received_bytes) desc`)
      .execute();
    return rows.map(({ exit_country, ...used }) => {
      const country = exit_country === "" ? null : exit_country;
      return { country, label: country === null ? "No exit chosen" : countryName(country), ...used };
    });
  }

  /**
   * How things are for the caller's account, and when that changes. Who may watch is decided now, not with each look.
   */
  watch(caller: Caller): UsageWatch {
    const { userId } = authorise(caller, "usage.read");
    return {
      read: async () => ({
        ...(await this.summary(caller)),
        at: this.#now(),
        openConnections: await this.#gateway.countOpen(userId),
      }),
      onChange: (listener) =>
        this.#gateway.onUsage((changed) => {
          if (changed === userId) listener();
        }),
    };
  }

  #cut(range: UsageRange): { bucketMs: number; buckets: number; from: Date } {
    const { bucketMs, buckets } = ranges[range];
    const current = Math.floor(this.#now().getTime() / bucketMs) * bucketMs;
    return { bucketMs, buckets, from: new Date(current - (buckets - 1) * bucketMs) };
  }
}

/** A sum that stays an int8 and is 0 over no rows: Postgres widens sum(int8) to numeric. */
function sumOf(
  column:
    | "sent_bytes"
    | "received_bytes"
    | "requests"
    | "failed"
    | "uncharged_sent_bytes"
    | "uncharged_received_bytes"
    | "tls_bytes",
) {
  return sql<bigint>`coalesce(sum(${sql.ref(column)}), 0)::int8`;
}

const totals = [
  sumOf("sent_bytes").as("sentBytes"),
  sumOf("received_bytes").as("receivedBytes"),
  sumOf("requests").as("requests"),
  sumOf("uncharged_sent_bytes").as("unchargedSentBytes"),
  sumOf("uncharged_received_bytes").as("unchargedReceivedBytes"),
  sumOf("tls_bytes").as("tlsBytes"),
] as const;

const NOTHING: UsageTotals = {
  sentBytes: 0n,
  receivedBytes: 0n,
  requests: 0n,
  unchargedSentBytes: 0n,
  unchargedReceivedBytes: 0n,
  tlsBytes: 0n,
};
