import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Schema } from "../../db/schema.ts";
import { type CredentialSettings, credentialSettings, settingsRowsSchema } from "./credential-settings.ts";

/** A live credential as it stands in the database. */
export interface StoredCredential {
  readonly id: string;
  readonly userId: string;
  readonly username: string;
  readonly passwordHmac: Uint8Array;
  readonly settings: CredentialSettings;
}

/** The live credential of a user name. */
export async function readCredential(
  db: Kysely<Schema>,
  username: string,
): Promise<StoredCredential | undefined> {
  const found = await read(db, sql`c.username = ${username}`);
  return found[0];
}

/** The live ones of these credentials. */
export function readCredentials(db: Kysely<Schema>, ids: readonly string[]): Promise<StoredCredential[]> {
  return ids.length === 0 ? Promise.resolve([]) : read(db, sql`c.id = any(${ids}::text[])`);
}

/** The live credentials that need no password, nor a user name where the client's address says which it is. */
export function readCredentialsByAddress(db: Kysely<Schema>): Promise<StoredCredential[]> {
  return read(
    db,
    sql`c.username in (select username from proxy_authentication where auth_method = 'address')`,
  );
}

async function read(db: Kysely<Schema>, where: RawBuilder<unknown>): Promise<StoredCredential[]> {
  const { rows } = await sql<{
    id: string;
    user_id: string;
    username: string;
    password_hmac: Uint8Array;
    settings: unknown;
  }>`
    select c.id, c.user_id, c.username, c.password_hmac, json_build_object(
      'throttling', (select coalesce(json_agg(t), '[]') from throttling_settings t
        where t.user_id = c.user_id and (t.credential_id is null or t.credential_id = c.id)),
      'rules', (select coalesce(json_agg(r), '[]') from target_rules r
        where r.user_id = c.user_id and (r.credential_id is null or r.credential_id = c.id)),
      'headers', (select coalesce(json_agg(h order by h.position, h.created_at, h.name), '[]') from custom_headers h
        where h.user_id = c.user_id and h.enabled and (h.credential_id is null or h.credential_id = c.id)),
      'authentication', (select row_to_json(a) from proxy_authentication a
        where a.username = c.username and a.user_id = c.user_id),
      'sessions', (select row_to_json(s) from session_settings s where s.user_id = c.user_id)
    ) as settings
    from proxy_credentials c where ${where} and c.revoked_at is null
  `.execute(db);
  return rows.map((row) => ({
    id: row.id,
    userId: row.user_id,
    username: row.username,
    passwordHmac: row.password_hmac,
    settings: credentialSettings(settingsRowsSchema.parse(row.settings)),
  }));
}
