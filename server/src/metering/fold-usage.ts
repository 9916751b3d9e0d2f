import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { type BalanceAfter, chargesOf, writeAndCharge } from "./charge-balances.ts";
import { type Standing, standingAfter } from "./connection-state.ts";
import { foldBatch } from "./fold-batch.ts";
import { foldKnown, isOtherwise, knownEvents } from "./fold-known.ts";
import type { Lease, LeaseWish } from "./leases.ts";
import { ReceiptChain } from "./receipt-chain.ts";
import type { UsageEvent } from "./usage-event.ts";
import { lockForFold, lockStandings, writingBatch } from "./write-batch.ts";

/** What a fold tells the gateway. */
export interface FoldOutcome {
  /** Of the accounts in the batch. */
  readonly balances: readonly BalanceAfter[];
  /** Ids of connections that were believed lost and closed: what they carry is counted no more. */
  readonly closedElsewhere: readonly string[];
  /** The gateway's epoch, for the bases of later events. */
  readonly epoch: bigint;
  /** What the wish for a lease came to; left out where it was not asked for, or could not be in the same exchange. */
  readonly lease?: Lease;
}

/** Two folds of the same new connections meet at most this often: the second time, the rows are seen and locked. */
const ATTEMPTS = 4;

/**
 * Writes usage events exactly once and adds what they bring to the hours and the balances, and a receipt to the chain
 * of the credential of each connection that ends, all in one transaction. Totals only rise: an event that is known
 * already, or that an event of a later moment overtook, adds nothing, and a lost event is made good by the next one.
 * Events of deleted accounts are dropped.
 *
 * @param wish a lease to be taken with it
 */
export async function foldUsage(
  db: Kysely<Schema>,
  gatewayId: string,
  events: readonly UsageEvent[],
  wish?: LeaseWish,
): Promise<FoldOutcome> {
  const known = knownEvents(events);
  if (known !== undefined) {
    try {
      const { balances, lease } = await foldKnown(db, gatewayId, known, wish);
      return { balances, closedElsewhere: [], epoch: known.epoch, ...(lease && { lease }) };
    } catch (error) {
      if (!isOtherwise(error) && !isUniqueViolation(error)) throw error;
    }
  }
  for (let attempt = 1; ; attempt++) {
    try {
      // That an event is there already shows when it is written: then, and only then, all are looked up first.
      return await foldOnce(db, gatewayId, events, { lookUpAll: attempt > 1 });
    } catch (error) {
      if (attempt === ATTEMPTS || !isUniqueViolation(error)) throw error;
    }
  }
}

function foldOnce(
  db: Kysely<Schema>,
  gatewayId: string,
  events: readonly UsageEvent[],
  { lookUpAll }: { lookUpAll: boolean },
): Promise<FoldOutcome> {
  return db.transaction().execute(async (transaction) => {
    const { ids, withChains } = credentialsIn(events);
    const { epoch, credentials } = await lockForFold(transaction, gatewayId, ids, { withChains });
    const chains = new Map(credentials.map((credential) => [credential.id, new ReceiptChain(credential)]));
    const standings = new Map<string, Standing>();
    const lookUp = new Set<string>();
    for (const { connection, connectionStored, base, seq } of events) {
      const isBelieved = base !== undefined && base.epoch === epoch && !lookUpAll;
      if (isBelieved) standings.set(connection.id, standingAfter(base.totals, seq - 1));
      else if (lookUpAll || connectionStored || seq > 1) lookUp.add(connection.id);
    }
    for (const [id, standing] of await lockStandings(transaction, [...lookUp])) standings.set(id, standing);
    const batch = foldBatch(events, standings, chains);
    const writes = writingBatch(gatewayId, batch, chains);
    const balances = await writeAndCharge(transaction, gatewayId, chargesOf(batch.hours), writes);
    return { balances, closedElsewhere: batch.closedElsewhere, epoch };
  });
}

/** The credentials that events are of, and whether any of them gets a receipt. */
function credentialsIn(events: readonly UsageEvent[]): { ids: readonly string[]; withChains: boolean } {
  const ids = new Set<string>();
  let withChains = false;
  for (const { connection, end } of events) {
    ids.add(connection.credentialId);
    if (end) withChains = true;
  }
  return { ids: [...ids], withChains };
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23505";
}
