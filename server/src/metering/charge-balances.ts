import type { Transaction } from "kysely";
import { int8s, texts } from "../db/binary-arrays.ts";
import type { Schema } from "../db/schema.ts";
import { runTogether, type Statement, statement } from "../db/statement-batch.ts";
import type { HourlyUsage } from "./hourly-usage.ts";

/** What moved for one account since it was last charged. */
export interface Charge {
  readonly userId: string;
  /** What its owner pays for. */
  readonly chargedBytes: bigint;
  /** What moved in vain by our fault or an upstream's: it was reserved like the rest, and costs nothing. */
  readonly unchargedBytes: bigint;
}

/** What an account has left after a charge, leases not taken off. */
export interface BalanceAfter {
  readonly userId: string;
  readonly remainingBytes: bigint;
}

interface BalanceRow {
  readonly user_id: string;
  readonly remaining: bigint;
}

/**
 * Writes what is to be written and adds what moved to what the accounts have used, and takes as much off what the
 * gateway has reserved for them: bytes of a lease turn into used ones in the transaction that folds their events. More
 * than the lease has is used all the same. Whoever changes a lease holds its balance's row, and rows are locked in one
 * order everywhere.
 *
 * The transaction is committed with it.
 *
 * @param writes statements of the same transaction that go before, in the same exchange
 * @param charges one for each account
 */
export async function writeAndCharge(
  transaction: Transaction<Schema>,
  gatewayId: string,
  charges: readonly Charge[],
  writes: readonly Statement[],
): Promise<BalanceAfter[]> {
  if (charges.length === 0) {
    if (writes.length > 0) await runTogether(transaction, writes, { thenCommit: true });
    return [];
  }
  const statements = [...writes, ...chargingStatements(gatewayId, charges)];
  const answers = await runTogether(transaction, statements, { thenCommit: true });
  return balancesOf(answers.at(-1));
}

/** What charges accounts; the last of the statements answers with the balances. */
export function chargingStatements(gatewayId: string, charges: readonly Charge[]): Statement[] {
  const users = charges.map(({ userId }) => userId);
  // Locked by a statement of its own: what the next one sees of the leases is then what stands once the rows are ours.
  return [lockingBalances(users), charging(gatewayId, charges)];
}

/** The balances in the answer to the last of `chargingStatements`. */
export function balancesOf(answer: readonly unknown[] = []): BalanceAfter[] {
  const rows = answer as readonly BalanceRow[];
  return rows.map(({ user_id, remaining }) => ({ userId: user_id, remainingBytes: remaining }));
}

/** What usage comes to for each account. */
export function chargesOf(hours: readonly HourlyUsage[]): Charge[] {
  const charges = new Map<string, { charged: number; uncharged: number }>();
  for (const { userId, ...added } of hours) {
    const charge = charges.get(userId) ?? { charged: 0, uncharged: 0 };
    charge.charged += added.sent + added.received;
    charge.uncharged += added.unchargedSent + added.unchargedReceived;
    charges.set(userId, charge);
  }
  return [...charges].map(([userId, { charged, uncharged }]) => ({
    userId,
    chargedBytes: BigInt(charged),
    unchargedBytes: BigInt(uncharged),
  }));
}

function charging(gatewayId: string, charges: readonly Charge[]): Statement<BalanceRow> {
  return statement<BalanceRow>`
    with charge as (
      select * from unnest(
        ${texts(charges, ({ userId }) => userId)}::text[],
        ${int8s(charges, ({ chargedBytes }) => Number(chargedBytes))}::int8[],
        ${int8s(charges, ({ chargedBytes, unchargedBytes }) => Number(chargedBytes + unchargedBytes))}::int8[]
      ) as c (user_id, charged, moved)
    ), lease as (
      select user_id, least(bytes, moved) as settled
      from traffic_leases join charge using (user_id) where gateway_id = ${gatewayId}::text
    ), settled as (
      update traffic_leases l set bytes = l.bytes - lease.settled
      from lease where l.user_id = lease.user_id and l.gateway_id = ${gatewayId}::text
    )
    update traffic_balances b set
      used_bytes = b.used_bytes + charge.charged,
      charged_bytes = b.charged_bytes + charge.charged,
      reserved_bytes = b.reserved_bytes - coalesce(lease.settled, 0),
      updated_at = current_timestamp
    from charge left join lease using (user_id)
    where b.user_id = charge.user_id
    returning b.user_id, b.allowance_bytes - b.used_bytes as remaining`;
}

/** Locks the accounts' balances in the order in which everybody does. */
export async function lockBalances(
  transaction: Transaction<Schema>,
  users: readonly string[],
): Promise<void> {
  await runTogether(transaction, [lockingBalances(users)]);
}

function lockingBalances(users: readonly string[]): Statement {
  return statement`
    select user_id from traffic_balances where user_id = any(${texts(users, (id) => id)}::text[])
    order by user_id for update`;
}
