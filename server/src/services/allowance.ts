import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";

/** Gives an account its monthly traffic. What it has used of it stays used. */
export async function grantAllowance(
  db: Kysely<Schema>,
  userId: string,
  allowanceBytes: bigint,
): Promise<void> {
  await db
    .insertInto("traffic_balances")
    .values({ user_id: userId, allowance_bytes: allowanceBytes, resets_at: startOfNextMonth(new Date()) })
    .onConflict((on) => on.column("user_id").doUpdateSet({ allowance_bytes: allowanceBytes }))
    .execute();
}

/** The first moment of the month after this one, UTC: when allowances begin anew. */
export function startOfNextMonth(now: Date): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
}
