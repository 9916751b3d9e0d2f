import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { isPassword } from "../services/credential-secret.ts";
import type { CredentialVerifier, GatewayCredential } from "./credential.ts";

/**
 * How long a stored credential is believed without looking again, in milliseconds. Within this process a revocation
 * is told by `forget`; this bounds how long another process's revocation takes.
 */
const FRESH_MS = 2_000;
const MAX_CACHED = 10_000;
/** How often at most `last_used_at` is written. */
const USE_WRITTEN_MS = 60_000;

interface Cached {
  readonly credential: GatewayCredential;
  readonly passwordHmac: Uint8Array;
  readonly readAt: number;
  /** The password that was last found right: comparing it again needs no HMAC. */
  verified: string | undefined;
}

/** Credentials out of the database, with a short cache. */
export class StoredCredentials implements CredentialVerifier {
  readonly #db: Kysely<Schema>;
  readonly #key: Uint8Array;
  readonly #clock: () => number;
  readonly #cache = new Map<string, Cached>();
  readonly #reading = new Map<string, Promise<Cached | undefined>>();
  readonly #useWritten = new Map<string, number>();
  /** Counts revocations, so that a read that began before one is not cached after it. */
  #generation = 0;

  /** @param parts.key the HMAC key of credential passwords */
  constructor(parts: { db: Kysely<Schema>; key: Uint8Array; clock?: () => number }) {
    this.#db = parts.db;
    this.#key = parts.key;
    this.#clock = parts.clock ?? Date.now;
  }

  verify(
    username: string,
    password: string,
  ): GatewayCredential | undefined | Promise<GatewayCredential | undefined> {
    const cached = this.#cache.get(username);
    if (cached && this.#clock() - cached.readAt < FRESH_MS) return this.#matching(cached, password);
    return this.#read(username).then((stored) => stored && this.#matching(stored, password));
  }

  forget(credentialId: string): void {
    this.#generation += 1;
    this.#reading.clear();
    for (const [username, { credential }] of this.#cache) {
      if (credential.id === credentialId) this.#cache.delete(username);
    }
  }

  #matching(stored: Cached, password: string): GatewayCredential | undefined {
    if (stored.verified !== password) {
      if (!isPassword(this.#key, password, stored.passwordHmac)) return undefined;
      stored.verified = password;
    }
    this.#writeUse(stored.credential.id);
    return stored.credential;
  }

  #read(username: string): Promise<Cached | undefined> {
    const underWay = this.#reading.get(username);
    if (underWay) return underWay;
    const generation = this.#generation;
    const reading = this.#load(username).then((stored) => {
      if (stored && generation === this.#generation) this.#keep(username, stored);
      return stored;
    });
    this.#reading.set(username, reading);
    const done = () => {
      if (this.#reading.get(username) === reading) this.#reading.delete(username);
    };
    reading.then(done, done);
    return reading;
  }

  #keep(username: string, stored: Cached): void {
    this.#cache.delete(username);
    this.#cache.set(username, stored);
    if (this.#cache.size <= MAX_CACHED) return;
    const oldest = this.#cache.keys().next().value;
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  async #load(username: string): Promise<Cached | undefined> {
    const row = await this.#db
      .selectFrom("proxy_credentials")
      .select(["id", "user_id", "password_hmac"])
      .where("username", "=", username)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    return (
      row && {
        credential: { id: row.id, userId: row.user_id },
        passwordHmac: row.password_hmac,
        readAt: this.#clock(),
        verified: undefined,
      }
    );
  }

  #writeUse(id: string): void {
    const now = this.#clock();
    if (now - (this.#useWritten.get(id) ?? 0) < USE_WRITTEN_MS) return;
    this.#useWritten.set(id, now);
    this.#db
      .updateTable("proxy_credentials")
      .set({ last_used_at: new Date(now) })
      .where("id", "=", id)
      .execute()
      // Only for show: a moment that was not written must not refuse a connection.
      .catch(() => {});
  }
}
