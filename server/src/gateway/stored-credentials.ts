import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { isPassword } from "../services/credential-secret.ts";
import type { CredentialVerifier, GatewayCredential } from "./credential.ts";
import { readAddressEntry } from "./limits/address-list.ts";
import type { CredentialSettings } from "./limits/credential-settings.ts";
import {
  readCredential,
  readCredentials,
  readCredentialsByAddress,
  type StoredCredential,
} from "./limits/read-credentials.ts";

/**
 * How long a stored credential is believed without looking again, in milliseconds. Changes are told (changes/); this
 * bounds how long one takes that nobody was told of.
 */
const FRESH_MS = 2_000;
const MAX_CACHED = 10_000;
/** How often at most `last_used_at` is written. */
const USE_WRITTEN_MS = 60_000;

class LiveCredential implements GatewayCredential {
  readonly id: string;
  readonly userId: string;
  readonly username: string;
  readonly passwordHmac: Uint8Array;
  settings: CredentialSettings;
  /** -Infinity: what is known of it is to be read again. */
  readAt: number;
  /** The password that was last found right: comparing it again needs no HMAC. */
  verified: string | undefined;
  ended = false;

  constructor(stored: StoredCredential, readAt: number) {
    this.id = stored.id;
    this.userId = stored.userId;
    this.username = stored.username;
    this.passwordHmac = stored.passwordHmac;
    this.settings = stored.settings;
    this.readAt = readAt;
  }
}

/** The credentials that clients without a user name may be, by their addresses. */
interface AddressBook {
  readonly credentials: readonly LiveCredential[];
  readonly readAt: number;
}

/** Credentials out of the database, with a short cache. */
export class StoredCredentials implements CredentialVerifier {
  readonly #db: Kysely<Schema>;
  readonly #key: Uint8Array;
  readonly #clock: () => number;
  readonly #byUsername = new Map<string, LiveCredential>();
  readonly #reading = new Map<string, Promise<LiveCredential | undefined>>();
  readonly #useWritten = new Map<string, number>();
  #book: AddressBook | undefined;
  #readingBook: Promise<AddressBook> | undefined;
  readonly #endedListeners = new Set<(credentialId: string) => void>();
  /** Counts changes: what a read brings that began before one is not believed after it. */
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
    client?: string,
  ): GatewayCredential | undefined | Promise<GatewayCredential | undefined> {
    const cached = this.#byUsername.get(username);
    if (cached && this.#clock() - cached.readAt < FRESH_MS) return this.#matching(cached, password, client);
    return this.#read(username).then((stored) => stored && this.#matching(stored, password, client));
  }

  byAddress(client: string): GatewayCredential | undefined | Promise<GatewayCredential | undefined> {
    const book = this.#book;
    if (book && this.#clock() - book.readAt < FRESH_MS) return this.#listed(book, client);
    return this.#readBook().then((read) => this.#listed(read, client));
  }

  async openings(): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom("proxy_authentication")
      .select(["username", "auth_method", "allowed_addresses"])
      .where("auth_method", "!=", "password")
      .execute();
    return rows.flatMap(({ username, auth_method, allowed_addresses }) =>
      allowed_addresses.flatMap((entry) => {
        const read = readAddressEntry(entry, { alone: auth_method === "address" });
        return typeof read === "string" ? [] : [`${username}: ${read.problem}`];
      }),
    );
  }

  forget(credentialId: string): void {
    this.#generation += 1;
    this.#reading.clear();
    this.#book = undefined;
    for (const credential of this.#byUsername.values()) {
      if (credential.id === credentialId) this.#end(credential);
    }
  }

  /** Something of these credentials changed: what is known of them is read again before it is believed. */
  suspect(suspected: (credential: { id: string; userId: string }) => boolean): void {
    this.#generation += 1;
    this.#reading.clear();
    this.#book = undefined;
    for (const credential of this.#byUsername.values()) {
      if (suspected(credential)) credential.readAt = Number.NEGATIVE_INFINITY;
    }
  }

  /** Calls back when a credential that was let in is revoked, deleted or has another password. @returns how to stop */
  onEnded(listener: (credentialId: string) => void): () => void {
    this.#endedListeners.add(listener);
    return () => this.#endedListeners.delete(listener);
  }

  /** The credentials that are remembered. */
  known(): Iterable<GatewayCredential> {
    return this.#byUsername.values();
  }

  /**
   * Reads credentials again.
   * @returns those that are live and as they were let in; the others, which are revoked, deleted or have another
   *   password, are ended
   */
  async reread(ids: readonly string[]): Promise<Map<string, GatewayCredential>> {
    const before = new Map([...this.#byUsername.values()].map((one) => [one.id, one]));
    for (;;) {
      const generation = this.#generation;
      const found = await readCredentials(this.#db, ids);
      if (generation !== this.#generation) continue;
      const live = new Map<string, GatewayCredential>();
      for (const stored of found) {
        const kept = this.#keep(stored);
        if (before.get(stored.id) === kept) live.set(stored.id, kept);
      }
      for (const id of ids) {
        const old = before.get(id);
        if (old && !live.has(id)) this.#end(old);
      }
      return live;
    }
  }

  #end(credential: LiveCredential): void {
    if (credential.ended) return;
    credential.ended = true;
    if (this.#byUsername.get(credential.username) === credential) {
      this.#byUsername.delete(credential.username);
    }
    for (const listener of this.#endedListeners) listener(credential.id);
  }

  #matching(stored: LiveCredential, password: string, client?: string): GatewayCredential | undefined {
    const { authMethod, addresses } = stored.settings;
    const listed = authMethod !== "password" && client !== undefined && addresses.has(client);
    if (authMethod === "password_and_address" && client !== undefined && !listed) return undefined;
    const needsPassword = !(authMethod === "address" && client !== undefined);
    if (needsPassword ? !this.#isPasswordOf(stored, password) : !listed) return undefined;
    this.#writeUse(stored.id);
    return stored;
  }

  #isPasswordOf(stored: LiveCredential, password: string): boolean {
    if (stored.verified === password) return true;
    if (!isPassword(this.#key, password, stored.passwordHmac)) return false;
    stored.verified = password;
    return true;
  }

  /** Two that list the same address are none: nobody's traffic is to go to another's account. */
  #listed({ credentials }: AddressBook, client: string): GatewayCredential | undefined {
    const found = credentials.filter(({ settings }) => settings.addresses.has(client));
    const [only] = found;
    if (only === undefined || found.length > 1) return undefined;
    this.#writeUse(only.id);
    return only;
  }

  #readBook(): Promise<AddressBook> {
    this.#readingBook ??= this.#loadBook().finally(() => {
      this.#readingBook = undefined;
    });
    return this.#readingBook;
  }

  async #loadBook(): Promise<AddressBook> {
    for (;;) {
      const generation = this.#generation;
      const found = await readCredentialsByAddress(this.#db);
      if (generation !== this.#generation) continue;
      this.#book = { credentials: found.map((stored) => this.#keep(stored)), readAt: this.#clock() };
      return this.#book;
    }
  }

  #read(username: string): Promise<LiveCredential | undefined> {
    const underWay = this.#reading.get(username);
    if (underWay) return underWay;
    const reading = this.#load(username);
    this.#reading.set(username, reading);
    const done = () => {
      if (this.#reading.get(username) === reading) this.#reading.delete(username);
    };
    reading.then(done, done);
    return reading;
  }

  /** What was read while a change came in is read again: it may be from before. */
  async #load(username: string): Promise<LiveCredential | undefined> {
    for (;;) {
      const generation = this.#generation;
      const stored = await readCredential(this.#db, username);
      if (generation !== this.#generation) continue;
      if (stored) return this.#keep(stored);
      const old = this.#byUsername.get(username);
      if (old) this.#end(old);
      return undefined;
    }
  }

  /** Whoever holds a credential sees its new settings; with another password it is another one. */
  #keep(stored: StoredCredential): LiveCredential {
    const old = this.#byUsername.get(stored.username);
    if (old && old.id === stored.id && Buffer.compare(old.passwordHmac, stored.passwordHmac) === 0) {
      old.settings = stored.settings;
      old.readAt = this.#clock();
      return old;
    }
    if (old) this.#end(old);
    const credential = new LiveCredential(stored, this.#clock());
    this.#byUsername.set(stored.username, credential);
    if (this.#byUsername.size > MAX_CACHED) {
      const oldest = this.#byUsername.keys().next().value;
      if (oldest !== undefined) this.#byUsername.delete(oldest);
    }
    return credential;
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
