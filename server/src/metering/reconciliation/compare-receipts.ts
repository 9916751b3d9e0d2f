import { type Kysely, sql } from "kysely";
import type { Schema } from "../../db/schema.ts";
import { receiptHash } from "../receipt-chain.ts";
import { readReceipts } from "../stored-receipts.ts";
import type { Difference } from "./difference.ts";

/** Receipts verified at a time. */
const PAGE = 1_000;

/**
 * Every chain's head against its receipts, and the receipts since a moment against the rows they are made of.
 * @returns what is wrong, and how many receipts were verified
 */
export async function compareReceipts(
  db: Kysely<Schema>,
  from: Date,
): Promise<{ differences: Difference[]; receipts: number }> {
  const differences = await compareHeads(db);
  let receipts = 0;
  for (const { credential_id, first, last } of await chainsSince(db, from)) {
    for (let after = Number(first) - 1; after < Number(last); ) {
      const page = await readReceipts(db, credential_id, { after, last: Number(last), limit: PAGE });
      const wrong = page.find((receipt) => receiptHash(receipt) !== receipt.hash);
      if (wrong !== undefined) {
        differences.push(
          of(
            credential_id,
            "receipts and connections",
            `Receipt ${wrong.number} does not fit its connection.`,
          ),
        );
        break;
      }
      const end = page.at(-1);
      if (end === undefined) break;
      receipts += page.length;
      after = end.number;
    }
  }
  return { differences, receipts };
}

async function compareHeads(db: Kysely<Schema>): Promise<Difference[]> {
  const { rows } = await sql<{ credential_id: string; last: bigint; counted: bigint }>`
    select h.credential_id, h.last_number as last, coalesce(c.counted, 0)::int8 as counted
    from receipt_chains h
    left join (
      select credential_id, count(*) as counted, max(receipt_number) as largest
      from proxy_connections where receipt_number is not null group by credential_id
    ) c using (credential_id)
    left join proxy_connections l on l.credential_id = h.credential_id and l.receipt_number = h.last_number
    where coalesce(c.counted, 0) <> h.last_number or coalesce(c.largest, 0) <> h.last_number
      or (h.last_number > 0 and l.receipt_hash is distinct from h.last_hash)
    limit 1000
  `.execute(db);
  return rows.map(({ credential_id, last, counted }) =>
    of(
      credential_id,
      "receipts and chain",
      `The chain ends at receipt ${last}, and ${counted} receipts are there.`,
    ),
  );
}

async function chainsSince(db: Kysely<Schema>, from: Date) {
  const { rows } = await sql<{ credential_id: string; first: bigint; last: bigint }>`
    select credential_id, min(receipt_number) as first, max(receipt_number) as last
    from proxy_connections where receipt_number is not null and closed_at >= ${from}
    group by credential_id order by credential_id
  `.execute(db);
  return rows;
}

function of(credential: string, book: Difference["book"], sentence: string): Difference {
  return { book, subject: credential, hour: null, delta: "0", sentence };
}
