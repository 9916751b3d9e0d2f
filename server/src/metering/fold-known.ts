import type { Kysely } from "kysely";
import { texts } from "../db/binary-arrays.ts";
import type { Schema } from "../db/schema.ts";
import { runTogether, type Statement, statement } from "../db/statement-batch.ts";
import { type BalanceAfter, balancesOf, chargesOf, chargingStatements } from "./charge-balances.ts";
import { type Standing, standingAfter } from "./connection-state.ts";
import { foldBatch } from "./fold-batch.ts";
import type { Lease, LeaseWish } from "./leases.ts";
import { ReceiptChain } from "./receipt-chain.ts";
import { leaseOf, takingLease } from "./taking-lease.ts";
import type { StoredBase, UsageEvent } from "./usage-event.ts";
import { writingBatch } from "./write-batch.ts";

/** An event of a connection that is known as it stands, and that stays open: its fold needs nothing of the database. */
type KnownEvent = UsageEvent & { readonly base: StoredBase };

/** Events that can be folded without looking, all of one epoch. */
export interface KnownEvents {
  readonly epoch: bigint;
  readonly events: readonly KnownEvent[];
}

/** The events as such; undefined where one of them needs a look first. */
export function knownEvents(events: readonly UsageEvent[]): KnownEvents | undefined {
  const epoch = events[0]?.base?.epoch;
  if (epoch === undefined) return undefined;
  const known = events.filter(
    (event): event is KnownEvent => event.base?.epoch === epoch && event.end === undefined,
  );
  return known.length === events.length ? { epoch, events: known } : undefined;
}

/**
 * Folds them in one exchange, and takes a lease with it: room for that is there once they are settled.
 *
 * @throws with SQLSTATE 22012 (`isOtherwise`), and nothing is written, when the gateway's epoch is over or a credential
 *   is gone; a unique violation when one of the events is there already
 */
export async function foldKnown(
  db: Kysely<Schema>,
  gatewayId: string,
  { epoch, events }: KnownEvents,
  wish: LeaseWish | undefined,
): Promise<{ balances: readonly BalanceAfter[]; lease: Lease | undefined }> {
  const standings = new Map<string, Standing>();
  const chains = new Map<string, ReceiptChain>();
  for (const { connection, base, seq } of events) {
    standings.set(connection.id, standingAfter(base.totals, seq - 1));
    chains.set(connection.credentialId, unreadChain(connection));
  }
  const batch = foldBatch(events, standings, chains);
  const statements = [
    insistingOnEpoch(gatewayId, epoch),
    insistingOnCredentials([...chains.keys()]),
    ...writingBatch(gatewayId, batch, chains),
    ...chargingStatements(gatewayId, chargesOf(batch.hours)),
  ];
  if (wish === undefined) {
    const answers = await runTogether(db, statements);
    return { balances: balancesOf(answers.at(-1)), lease: undefined };
  }
  const answers = await runTogether(db, [...statements, takingLease(gatewayId, wish)]);
  const [taken] = answers.at(-1) as Parameters<typeof leaseOf>[0][];
  return { balances: balancesOf(answers.at(-2)), lease: leaseOf(taken) };
}

/** No connection ends here, so that no chain grows: where it stands need not be known. */
function unreadChain({ credentialId, userId }: UsageEvent["connection"]): ReceiptChain {
  return new ReceiptChain({ id: credentialId, userId, lastNumber: 0, lastHash: new Uint8Array() });
}

/** Whether things stand otherwise than was believed: the statements below divide by zero then. */
export function isOtherwise(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "22012";
}

/** Makes this transaction the only one that writes usage of the gateway. */
function insistingOnEpoch(gatewayId: string, epoch: bigint): Statement {
  return statement`
    with gateway as (
      insert into usage_gateways as g (id) values (${gatewayId}::text)
      on conflict (id) do update set id = excluded.id returning g.epoch
    )
    select 1 / (epoch = ${epoch}::int8)::int4 from gateway`;
}

/** Keeps credentials from being deleted until the transaction ends. Locked in one order everywhere. */
function insistingOnCredentials(ids: readonly string[]): Statement {
  return statement`
    with kept as (
      select id from proxy_credentials where id = any(${texts(ids, (id) => id)}::text[]) order by id for key share
    )
    select 1 / (count(*) = ${ids.length}::int8)::int4 from kept`;
}
