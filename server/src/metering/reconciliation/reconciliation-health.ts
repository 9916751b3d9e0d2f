import type { Kysely } from "kysely";
import type { Schema } from "../../db/schema.ts";
import type { PartHealth } from "../../http/health.ts";
import { lastReconciliation } from "./reconcile.ts";

/**
 * What the last nightly comparison found. A difference is an alarm for people and no reason to take the server out of
 * service: the part stays up and says it.
 */
export async function reconciliationHealth(db: Kysely<Schema>): Promise<PartHealth> {
  const last = await lastReconciliation(db);
  if (last === null) return { state: "up", detail: "not reconciled yet" };
  const when = last.at.toISOString();
  if (last.differences === 0) return { state: "up", detail: `reconciled at ${when}, no difference` };
  const what = `${last.differences} differences, ${last.bytes} bytes`;
  return { state: "up", detail: `DOES NOT RECONCILE: ${what}, found at ${when}; the audit log says more` };
}
