import { CHAIN_START, type HashedReceipt, receiptTarget } from "@atlantic/shared/receipts/receipt.ts";
import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";

/** Receipts of a credential with numbers above `after`, up to `last`, the first first. */
export async function readReceipts(
  db: Kysely<Schema>,
  credential: string,
  { after, last, limit }: { after: number; last: number; limit: number },
): Promise<HashedReceipt[]> {
  const rows = await db
    .selectFrom("proxy_connections")
    .selectAll()
    .where("credential_id", "=", credential)
    .where("receipt_number", "is not", null)
    // The one before is read as well: its hash is the first one's `previous`.
    .where("receipt_number", ">=", BigInt(after))
    .where("receipt_number", "<=", BigInt(last))
    .orderBy("receipt_number")
    .limit(limit + 1)
    .execute();
  let previous = CHAIN_START;
  const receipts: HashedReceipt[] = [];
  for (const row of rows) {
    const hash = Buffer.from(row.receipt_hash ?? []).toString("hex");
    const number = Number(row.receipt_number);
    if (number > after) {
      receipts.push({
        credential,
        number,
        previous,
        connection: row.id,
        openedAt: row.opened_at.getTime(),
        closedAt: row.closed_at?.getTime() ?? 0,
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
        outcome: row.outcome ?? "",
        hash,
      });
    }
    previous = hash;
  }
  return receipts.slice(0, limit);
}
