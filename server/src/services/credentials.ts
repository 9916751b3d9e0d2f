import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";
import { newCredentialId, newPassword, passwordHmac } from "./credential-secret.ts";
import { ServiceError } from "./errors.ts";
import type { LiveGateway } from "./live-gateway.ts";

/** A gateway credential without its password, which is shown once and stored only as an HMAC. */
export interface CredentialView {
  readonly id: string;
  readonly username: string;
  readonly label: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** A credential at the one moment when its password can be seen. */
export interface IssuedCredential {
  readonly credential: CredentialView;
  readonly password: string;
}

/** The most credentials that an account may have live at once. */
const MAX_LIVE_CREDENTIALS = 100;

/** Issues, rotates and revokes the credentials with which clients authenticate at the gateway. */
export class CredentialService {
  readonly #db: Kysely<Schema>;
  readonly #key: Uint8Array;
  readonly #gateway: LiveGateway;
  readonly #audit: AuditLog;

  /** @param key the HMAC key of credential passwords. */
  constructor(parts: { db: Kysely<Schema>; key: Uint8Array; gateway: LiveGateway; audit: AuditLog }) {
    this.#db = parts.db;
    this.#key = parts.key;
    this.#gateway = parts.gateway;
    this.#audit = parts.audit;
  }

  /** The account's credentials, the newest first, with the revoked ones. */
  async list(caller: Caller): Promise<CredentialView[]> {
    const { userId } = authorise(caller, "credentials.read");
    return this.#db
      .selectFrom("proxy_credentials")
      .select(columns)
      .where("user_id", "=", userId)
      .orderBy("created_at", "desc")
      .orderBy("id")
      .execute();
  }

  /** @throws ServiceError too_many when the account has `MAX_LIVE_CREDENTIALS` already. */
  async create(caller: Caller, label: string): Promise<IssuedCredential> {
    const { userId } = authorise(caller, "credentials.change");
    const issued = await this.#db.transaction().execute(async (transaction) => {
      await requireRoom(transaction, userId);
      const created = await insertCredential(transaction, { userId, label, key: this.#key });
      await this.#audit.record(transaction, caller, "credential.created", created.credential.id, { label });
      return created;
    });
    return issued;
  }

  /**
   * Gives the credential another password. Its connections end: they were let in with the old one.
   *
   * @throws ServiceError not_found when the account has no such live credential.
   */
  async rotate(caller: Caller, id: string): Promise<IssuedCredential> {
    const { userId } = authorise(caller, "credentials.change");
    const password = newPassword();
    const credential = await this.#change(caller, userId, id, "credential.rotated", {
      password_hmac: passwordHmac(this.#key, password),
    });
    return { credential, password };
  }

  /**
   * Ends the credential and its connections, for ever.
   *
   * @throws ServiceError not_found when the account has no such live credential.
   */
  async revoke(caller: Caller, id: string): Promise<CredentialView> {
    const { userId } = authorise(caller, "credentials.change");
    return this.#change(caller, userId, id, "credential.revoked", { revoked_at: new Date() });
  }

  async #change(
    caller: Caller,
    userId: string,
    id: string,
    action: "credential.rotated" | "credential.revoked",
    change: { password_hmac: Uint8Array } | { revoked_at: Date },
  ): Promise<CredentialView> {
    const changed = await this.#db.transaction().execute(async (transaction) => {
      const credential = await transaction
        .updateTable("proxy_credentials")
        .set(change)
        .where("id", "=", id)
        .where("user_id", "=", userId)
        .where("revoked_at", "is", null)
        .returning(columns)
        .executeTakeFirst();
      if (credential === undefined) throw credentialNotFound();
      await this.#audit.record(transaction, caller, action, id, {});
      return credential;
    });
    this.#gateway.disconnectCredential(id);
    return changed;
  }
}

/** Puts a new credential into the database and returns it with its password. */
export async function insertCredential(
  db: Kysely<Schema>,
  wanted: { userId: string; label: string; key: Uint8Array },
): Promise<IssuedCredential> {
  const id = newCredentialId();
  const password = newPassword();
  const credential = await db
    .insertInto("proxy_credentials")
    .values({
      id,
      user_id: wanted.userId,
      username: id,
      password_hmac: passwordHmac(wanted.key, password),
      label: wanted.label,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
  return { credential, password };
}

const columns = [
  "id",
  "username",
  "label",
  "created_at as createdAt",
  "last_used_at as lastUsedAt",
  "revoked_at as revokedAt",
] as const;

async function requireRoom(db: Kysely<Schema>, userId: string): Promise<void> {
  // The account's row is locked, so that two requests at once cannot both see the last free place.
  await db.selectFrom("user").select("id").where("id", "=", userId).forUpdate().execute();
  const { live } = await db
    .selectFrom("proxy_credentials")
    .select((expression) => expression.fn.countAll<bigint>().as("live"))
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .executeTakeFirstOrThrow();
  if (live < BigInt(MAX_LIVE_CREDENTIALS)) return;
  throw new ServiceError(
    "too_many",
    `An account has at most ${MAX_LIVE_CREDENTIALS} live credentials. Revoke one that is no longer used.`,
  );
}

function credentialNotFound(): ServiceError {
  return new ServiceError("not_found", "There is no such credential. It may have been revoked.");
}
