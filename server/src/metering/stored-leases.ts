import { type Kysely, sql, type Transaction } from "kysely";
import type { Schema } from "../db/schema.ts";
import { runTogether } from "../db/statement-batch.ts";
import { lockBalances } from "./charge-balances.ts";
import { LEASE_LIFETIME_MS, type Lease, type LeaseStore, type LeaseWish } from "./leases.ts";
import { leaseOf, takingLease } from "./taking-lease.ts";

/**
 * Begins to hold leases in the name of a gateway. What an earlier run of it held is put back: whoever starts a gateway
 * knows that no other runs by this id.
 */
export async function openStoredLeases(db: Kysely<Schema>, gatewayId: string): Promise<LeaseStore> {
  const leases = new StoredLeases(db, gatewayId);
  await leases.begin();
  return leases;
}

/** Leases as rows of the database, which is also where balances and usage are: one clock and one truth for all. */
class StoredLeases implements LeaseStore {
  readonly #db: Kysely<Schema>;
  readonly #gatewayId: string;

  constructor(db: Kysely<Schema>, gatewayId: string) {
    this.#db = db;
    this.#gatewayId = gatewayId;
  }

  async begin(): Promise<void> {
    await this.#putBack([this.#gatewayId]);
    await this.#register();
  }

  async take(wish: LeaseWish): Promise<Lease> {
    const lease = await this.#tryToTake(wish);
    // Those who died with a lease in their hands must not make others go hungry.
    if (lease.grantedBytes > 0 || lease.moreToCome || (await this.reclaimExpired()) === 0) return lease;
    return this.#tryToTake(wish);
  }

  async #tryToTake(wish: LeaseWish): Promise<Lease> {
    const [[row]] = await runTogether(this.#db, [takingLease(this.#gatewayId, wish)]);
    return leaseOf(row);
  }

  async giveBack(userId: string, bytes: number): Promise<number> {
    return this.#shrink(userId, sql`least(bytes, ${bytes}::bigint)`);
  }

  async giveBackAll(userId: string): Promise<void> {
    await this.#shrink(userId, sql`bytes`);
  }

  #shrink(userId: string, by: ReturnType<typeof sql>): Promise<number> {
    return this.#db.transaction().execute(async (transaction) => {
      await lockBalances(transaction, [userId]);
      const { rows } = await sql<{ held: bigint }>`
        with lease as (
          select bytes, ${by} as back from traffic_leases
          where user_id = ${userId} and gateway_id = ${this.#gatewayId}
        ), shrunk as (
          update traffic_leases l set bytes = l.bytes - lease.back
          from lease where l.user_id = ${userId} and l.gateway_id = ${this.#gatewayId}
        ), freed as (
          update traffic_balances b set reserved_bytes = b.reserved_bytes - lease.back
          from lease where b.user_id = ${userId} and lease.back > 0
        )
        select bytes - back as held from lease
      `.execute(transaction);
      return Number(rows[0]?.held ?? 0n);
    });
  }

  async renew(): Promise<"held" | "lost"> {
    const renewed = await sql`
      update lease_holders set expires_at = ${lifeEnd} where gateway_id = ${this.#gatewayId}
        and expires_at > clock_timestamp()
    `.execute(this.#db);
    if ((renewed.numAffectedRows ?? 0n) > 0n) return "held";
    await this.begin();
    return "lost";
  }

  async reclaimExpired(): Promise<number> {
    const { rows } = await sql<{ gateway_id: string }>`
      select gateway_id from lease_holders where expires_at <= clock_timestamp()
    `.execute(this.#db);
    return rows.length === 0
      ? 0
      : this.#putBack(
          rows.map((row) => row.gateway_id),
          true,
        );
  }

  async close(): Promise<void> {
    await this.#putBack([this.#gatewayId]);
  }

  async #register(): Promise<void> {
    await sql`
      insert into lease_holders (gateway_id, expires_at) values (${this.#gatewayId}, ${lifeEnd})
      on conflict (gateway_id) do update set expires_at = excluded.expires_at
    `.execute(this.#db);
  }

  /** @returns how many of the gateways held something, or could have */
  #putBack(gateways: readonly string[], onlyExpired = false): Promise<number> {
    return this.#db.transaction().execute(async (transaction) => {
      const dead = await lockHolders(transaction, gateways, onlyExpired);
      if (dead.length === 0) return 0;
      const { rows: users } = await sql<{ user_id: string }>`
        select distinct user_id from traffic_leases where gateway_id = any(${dead}::text[])
      `.execute(transaction);
      await lockBalances(
        transaction,
        users.map((row) => row.user_id),
      );
      await sql`
        with gone as (delete from traffic_leases where gateway_id = any(${dead}::text[]) returning user_id, bytes),
        freed as (select user_id, sum(bytes)::bigint as bytes from gone group by user_id)
        update traffic_balances b set reserved_bytes = b.reserved_bytes - freed.bytes
        from freed where b.user_id = freed.user_id
      `.execute(transaction);
      await sql`
        delete from lease_holders h where gateway_id = any(${dead}::text[])
          and not exists (select from traffic_leases l where l.gateway_id = h.gateway_id)
      `.execute(transaction);
      return dead.length;
    });
  }
}

const lifeEnd = sql`clock_timestamp() + make_interval(secs => ${LEASE_LIFETIME_MS / 1_000}::float8)`;

/** Holds a renewal back while its leases are put back; one that another is putting back is left to it. */
async function lockHolders(
  transaction: Transaction<Schema>,
  gateways: readonly string[],
  onlyExpired: boolean,
): Promise<string[]> {
  const { rows } = await sql<{ gateway_id: string }>`
    select gateway_id from lease_holders
    where gateway_id = any(${gateways}::text[]) and (not ${onlyExpired}::boolean or expires_at <= clock_timestamp())
    order by gateway_id for no key update ${onlyExpired ? sql`skip locked` : sql``}
  `.execute(transaction);
  return rows.map((row) => row.gateway_id);
}
