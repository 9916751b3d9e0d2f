import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { MAX_ADDED_FIELDS, readAddedField } from "../gateway/limits/added-fields.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";
import { requireOwnCredential } from "./own-credential.ts";

/** A header field that is put into plain HTTP requests, in place of the client's of the same name. */
export interface CustomHeader {
  readonly name: string;
  readonly value: string;
  readonly enabled: boolean;
}

/** Reads and changes the header fields of an account and of its single credentials. */
export class CustomHeaderService {
  readonly #db: Kysely<Schema>;
  readonly #audit: AuditLog;

  constructor(parts: { db: Kysely<Schema>; audit: AuditLog }) {
    this.#db = parts.db;
    this.#audit = parts.audit;
  }

  /**
   * @param credentialId null: those of all credentials
   * @throws ServiceError not_found when the account has no such live credential
   */
  async get(caller: Caller, credentialId: string | null): Promise<CustomHeader[]> {
    const { userId } = authorise(caller, "limits.read");
    return this.#db.transaction().execute(async (transaction) => {
      if (credentialId !== null) await requireOwnCredential(transaction, userId, credentialId);
      return transaction
        .selectFrom("custom_headers")
        .select(["name", "value", "enabled"])
        .where("user_id", "=", userId)
        .where("credential_id", "is not distinct from", credentialId)
        .orderBy("position")
        .orderBy("name")
        .execute();
    });
  }

  /**
   * Sets all of them anew, in this order.
   * @throws ServiceError invalid, naming what was wrong; not_found
   */
  async set(
    caller: Caller,
    credentialId: string | null,
    headers: readonly CustomHeader[],
  ): Promise<CustomHeader[]> {
    const { userId } = authorise(caller, "limits.change");
    const fields = readHeaders(headers);
    return this.#db.transaction().execute(async (transaction) => {
      if (credentialId !== null) await requireOwnCredential(transaction, userId, credentialId);
      await transaction.selectFrom("user").select("id").where("id", "=", userId).forUpdate().execute();
      await transaction
        .deleteFrom("custom_headers")
        .where("user_id", "=", userId)
        .where("credential_id", "is not distinct from", credentialId)
        .execute();
      if (fields.length > 0) {
        await transaction
          .insertInto("custom_headers")
          .values(
            fields.map((field, position) => ({
              user_id: userId,
              credential_id: credentialId,
              position,
              ...field,
            })),
          )
          .execute();
      }
      // Values may be secrets: the record has the names only.
      await this.#audit.record(transaction, caller, "headers.changed", credentialId, {
        names: fields.map(({ name }) => name).join(" "),
      });
      return fields;
    });
  }
}

function readHeaders(headers: readonly CustomHeader[]): CustomHeader[] {
  if (headers.length > MAX_ADDED_FIELDS) {
    throw new ServiceError("invalid", `headers: at most ${MAX_ADDED_FIELDS} are possible.`);
  }
  const names = new Set<string>();
  return headers.map(({ name, value, enabled }) => {
    const field = readAddedField(name.trim(), value);
    if ("problem" in field) throw new ServiceError("invalid", `headers: ${field.problem}`);
    const lower = field.name.toLowerCase();
    if (names.has(lower))
      throw new ServiceError("invalid", `headers: "${field.name}" is there twice. Keep one.`);
    names.add(lower);
    return { ...field, enabled };
  });
}
