import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { ServiceError } from "./errors.ts";

/**
 * Makes sure that a credential is a live one of this account, and keeps it so until the transaction ends.
 * @returns its user name
 * @throws ServiceError not_found
 */
export async function requireOwnCredential(
  transaction: Kysely<Schema>,
  userId: string,
  credentialId: string,
): Promise<string> {
  const found = await transaction
    .selectFrom("proxy_credentials")
    .select("username")
    .where("id", "=", credentialId)
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .forShare()
    .executeTakeFirst();
  if (found) return found.username;
  throw new ServiceError("not_found", "There is no such credential. It may have been revoked.");
}
