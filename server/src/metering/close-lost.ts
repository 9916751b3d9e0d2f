import { receiptTarget } from "@atlantic/shared/receipts/receipt.ts";
import { type Kysely, sql, type Transaction } from "kysely";
import { byteas, int4s, int8s, timestamps, uuids } from "../db/binary-arrays.ts";
import type { Schema } from "../db/schema.ts";
import { ReceiptChain } from "./receipt-chain.ts";
import { latestEvent, latestTotals, lockCredentials, lockGateway, updateChains } from "./write-batch.ts";

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
  // In the order of the fold: gateways first, then credentials with their chains, then connections.
  const lost = new Set(candidates.map(({ gateway_id }) => gateway_id));
  for (const id of [...lost].sort()) await endEpoch(transaction, id);
  const credentials = [...new Set(candidates.map(({ credential_id }) => credential_id))];
  const locked = await lockCredentials(transaction, credentials, { withChains: true });
  const chains = new Map(locked.map((credential) => [credential.id, new ReceiptChain(credential)]));
  const rows = await lockStillOpen(
    transaction,
    candidates.map(({ id }) => id),
  );
  const closed = rows.flatMap((row) => {
    const receipt = chains.get(row.credential_id)?.add(factsOf(row));
    return receipt ? [{ row, receipt }] : [];
  });
  await close(transaction, closed);
  await updateChains(
    transaction,
    [...chains.values()].filter(({ grown }) => grown),
  );
  return closed.length;
}

/** Tells the gateway, should it live, to look before it writes on. */
async function endEpoch(transaction: Transaction<Schema>, gatewayId: string): Promise<void> {
  await lockGateway(transaction, gatewayId);
  await transaction
    .updateTable("usage_gateways")
    .set((set) => ({ epoch: set("epoch", "+", 1n) }))
    .where("id", "=", gatewayId)
    .execute();
}

async function findLost(transaction: Transaction<Schema>, gateways: LostGateways) {
  const open = transaction
    .selectFrom("proxy_connections as c")
    .select(["c.id", "c.credential_id", "c.gateway_id"])
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

interface LostConnection {
  readonly id: string;
  readonly credential_id: string;
  readonly opened_at: Date;
  readonly closes_at: Date;
  readonly last_seq: number;
  readonly protocol: string;
  readonly target_host: string;
  readonly target_port: number;
  readonly exit_country: string | null;
  readonly exit_label: string | null;
  readonly exit_address: string | null;
  readonly sent_bytes: bigint;
  readonly received_bytes: bigint;
  readonly requests: bigint;
  readonly uncharged_sent_bytes: bigint;
  readonly uncharged_received_bytes: bigint;
  readonly tls_bytes: bigint;
  readonly failed_attempts: readonly { readonly error: string }[] | null;
}

async function lockStillOpen(
  transaction: Transaction<Schema>,
  ids: readonly string[],
): Promise<LostConnection[]> {
  const { rows } = await sql<LostConnection>`
    select c.id, c.credential_id, c.opened_at, coalesce(e.at, c.opened_at) as closes_at,
      coalesce(e.seq, c.last_seq) as last_seq, c.protocol, c.target_host, c.target_port,
      c.exit_country, c.exit_label, c.exit_address, c.failed_attempts, ${latestTotals}
    from proxy_connections c left join lateral (${latestEvent}) e on true
    where c.id = any(${uuids(ids, (id) => id)}::uuid[]) and c.closed_at is null
    order by c.id for update of c
  `.execute(transaction);
  return rows;
}

async function close(
  transaction: Transaction<Schema>,
  closed: readonly { readonly row: LostConnection; readonly receipt: { number: number; hash: Buffer } }[],
): Promise<void> {
  await sql`
    update proxy_connections c set outcome = 'gateway_lost', closed_at = n.closed_at, last_seq = n.last_seq,
      sent_bytes = n.sent, received_bytes = n.received, requests = n.requests,
      uncharged_sent_bytes = n.uncharged_sent, uncharged_received_bytes = n.uncharged_received, tls_bytes = n.tls,
      receipt_number = n.number, receipt_hash = n.hash
    from unnest(
      ${uuids(closed, ({ row }) => row.id)}::uuid[],
      ${timestamps(closed, ({ row }) => row.closes_at.getTime())}::timestamptz[],
      ${int4s(closed, ({ row }) => row.last_seq)}::int4[],
      ${int8s(closed, ({ row }) => Number(row.sent_bytes))}::int8[],
      ${int8s(closed, ({ row }) => Number(row.received_bytes))}::int8[],
      ${int8s(closed, ({ row }) => Number(row.requests))}::int8[],
      ${int8s(closed, ({ row }) => Number(row.uncharged_sent_bytes))}::int8[],
      ${int8s(closed, ({ row }) => Number(row.uncharged_received_bytes))}::int8[],
      ${int8s(closed, ({ row }) => Number(row.tls_bytes))}::int8[],
      ${int8s(closed, ({ receipt }) => receipt.number)}::int8[],
      ${byteas(closed, ({ receipt }) => receipt.hash)}::bytea[]
    ) as n (
      id, closed_at, last_seq, sent, received, requests, uncharged_sent, uncharged_received, tls, number, hash
    )
    where c.id = n.id
  `.execute(transaction);
}

function factsOf(row: LostConnection) {
  return {
    connection: row.id,
    openedAt: row.opened_at.getTime(),
    closedAt: row.closes_at.getTime(),
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
