import { receiptTarget } from "@atlantic/shared/receipts/receipt.ts";
import { type Kysely, sql, type Transaction } from "kysely";
import { byteas, int8s, timestamps, uuids } from "../db/binary-arrays.ts";
import type { Schema } from "../db/schema.ts";
import { ReceiptChain } from "./receipt-chain.ts";
import { lockCredentials, updateChains } from "./write-batch.ts";

/** Whose open connections are lost: those of a gateway that starts anew, or of every gateway that is not known to live. */
export type LostGateways =
  | { readonly kind: "of"; readonly gatewayId: string }
  | { readonly kind: "of those that do not live" };

/** Connections closed in one transaction. */
const BATCH = 1_000;

/**
 * Closes connections that a crashed gateway left open, each with its receipt, at the moment of their last usage event:
 * what came after it, at most one flush interval, is lost.
 *
 * @returns how many were closed
 */
export async function closeLost(db: Kysely<Schema>, gateways: LostGateways): Promise<number> {
  for (let closed = 0; ; ) {
    const now = await db.transaction().execute((transaction) => closeSome(transaction, gateways));
    closed += now;
    if (now < BATCH) return closed;
  }
}

async function closeSome(transaction: Transaction<Schema>, gateways: LostGateways): Promise<number> {
  const candidates = await findLost(transaction, gateways);
  if (candidates.length === 0) return 0;
  const credentials = [...new Set(candidates.map(({ credential_id }) => credential_id))];
  // In the order of the fold: credentials and chains first, connections after them.
  const locked = await lockCredentials(transaction, credentials, { withChains: true });
  const chains = new Map(locked.map((credential) => [credential.id, new ReceiptChain(credential)]));
  const rows = await lockStillOpen(
    transaction,
    candidates.map(({ id }) => id),
  );
  const closed = rows.flatMap((row) => {
    const chain = chains.get(row.credential_id);
    if (chain === undefined) return [];
    const closedAt = row.closed_at.getTime();
    return [{ id: row.id, closedAt, receipt: chain.add(factsOf(row, closedAt)) }];
  });
  await sql`
    update proxy_connections c set outcome = 'gateway_lost', closed_at = n.closed_at,
      receipt_number = n.number, receipt_hash = n.hash
    from unnest(
      ${uuids(closed, ({ id }) => id)}::uuid[], ${timestamps(closed, ({ closedAt }) => closedAt)}::timestamptz[],
      ${int8s(closed, ({ receipt }) => receipt.number)}::int8[],
      ${byteas(closed, ({ receipt }) => receipt.hash)}::bytea[]
    ) as n (id, closed_at, number, hash)
    where c.id = n.id
  `.execute(transaction);
  await updateChains(
    transaction,
    [...chains.values()].filter(({ grown }) => grown),
  );
  return closed.length;
}

async function findLost(transaction: Transaction<Schema>, gateways: LostGateways) {
  const open = transaction
    .selectFrom("proxy_connections as c")
    .select(["c.id", "c.credential_id"])
    .where("c.closed_at", "is", null)
    .limit(BATCH);
  if (gateways.kind === "of") return open.where("c.gateway_id", "=", gateways.gatewayId).execute();
  return open
    .where((where) =>
      where.not(
        where.exists(where.selectFrom("gateways as g").select("g.id").whereRef("g.id", "=", "c.gateway_id")),
      ),
    )
    .execute();
}

async function lockStillOpen(transaction: Transaction<Schema>, ids: readonly string[]) {
  return transaction
    .selectFrom("proxy_connections as c")
    .selectAll("c")
    .select(
      sql<Date>`coalesce((select max(at) from usage_events where connection_id = c.id), c.opened_at)`.as(
        "closed_at",
      ),
    )
    .where("c.id", "in", ids)
    .where("c.closed_at", "is", null)
    .orderBy("c.id")
    .forUpdate()
    .execute();
}

function factsOf(row: Awaited<ReturnType<typeof lockStillOpen>>[number], closedAt: number) {
  return {
    connection: row.id,
    openedAt: row.opened_at.getTime(),
    closedAt,
    protocol: row.protocol,
    target: receiptTarget(row.target_host, row.target_port),
    exitCountry: row.exit_country,
    exitLabel: row.exit_label,
    exitAddress: row.exit_address,
    sentBytes: String(row.sent_bytes),
    receivedBytes: String(row.received_bytes),
    requests: Number(row.requests),
    unchargedSentBytes: String(row.uncharged_sent_bytes),
    unchargedReceivedBytes: String(row.uncharged_received_bytes),
    tlsBytes: String(row.tls_bytes),
    attempts: 1 + (row.failed_attempts?.length ?? 0),
    failover: row.failed_attempts?.[0]?.error ?? null,
    outcome: "gateway_lost",
  };
}
