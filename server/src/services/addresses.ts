import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { MAX_ADDRESSES, readAddressEntry } from "../gateway/limits/address-list.ts";
import type { AuthMethod } from "../gateway/limits/credential-settings.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";
import { requireOwnCredential } from "./own-credential.ts";

/** How clients show that a credential is theirs. */
export interface CredentialAddresses {
  readonly credentialId: string;
  /** `address`: the listed addresses need no password, and no user name where only one credential lists them. */
  readonly method: AuthMethod;
  readonly addresses: readonly string[];
}

/** Reads and changes from which addresses a credential may be used. */
export class AddressService {
  readonly #db: Kysely<Schema>;
  readonly #audit: AuditLog;

  constructor(parts: { db: Kysely<Schema>; audit: AuditLog }) {
    this.#db = parts.db;
    this.#audit = parts.audit;
  }

  /** @throws ServiceError not_found when the account has no such live credential */
  async get(caller: Caller, credentialId: string): Promise<CredentialAddresses> {
    const { userId } = authorise(caller, "limits.read");
    return this.#db.transaction().execute(async (transaction) => {
      const username = await requireOwnCredential(transaction, userId, credentialId);
      const found = await transaction
        .selectFrom("proxy_authentication")
        .select(["auth_method", "allowed_addresses"])
        .where("user_id", "=", userId)
        .where("username", "=", username)
        .executeTakeFirst();
      return {
        credentialId,
        method: found?.auth_method ?? "password",
        addresses: found?.allowed_addresses ?? [],
      };
    });
  }

  /**
   * Sets all of it anew; connections from addresses that are no longer listed end within a second.
   * @throws ServiceError invalid, naming what was wrong; not_found
   */
  async set(caller: Caller, wanted: CredentialAddresses): Promise<CredentialAddresses> {
    const { userId } = authorise(caller, "limits.change");
    const { credentialId, method } = wanted;
    const addresses = readAddresses(wanted);
    return this.#db.transaction().execute(async (transaction) => {
      const username = await requireOwnCredential(transaction, userId, credentialId);
      const change = {
        auth_method: method,
        allowed_addresses: JSON.stringify(addresses),
        updated_at: new Date(),
      };
      await transaction
        .insertInto("proxy_authentication")
        .values({ user_id: userId, username, ...change })
        .onConflict((on) => on.column("username").doUpdateSet(change))
        .execute();
      await this.#audit.record(transaction, caller, "addresses.changed", credentialId, {
        method,
        addresses: addresses.join(" "),
      });
      return { credentialId, method, addresses };
    });
  }
}

function readAddresses({ method, addresses }: CredentialAddresses): string[] {
  if (addresses.length > MAX_ADDRESSES) {
    throw new ServiceError("invalid", `addresses: at most ${MAX_ADDRESSES} entries are possible.`);
  }
  if (method !== "password" && addresses.length === 0) {
    throw new ServiceError("invalid", "addresses: list at least one, or nobody can use the credential.");
  }
  const found = addresses.map((text) => {
    const entry = readAddressEntry(text, { alone: method === "address" });
    if (typeof entry === "string") return entry;
    throw new ServiceError("invalid", `addresses: ${entry.problem}`);
  });
  return [...new Set(found)];
}
