import { createHash } from "node:crypto";
import { type Kysely, sql } from "kysely";
import type { Schema } from "../db/schema.ts";
import type { Caller } from "./caller.ts";

/** What is written down. */
export type AuditAction =
  | "account.created"
  | "account.signed_in"
  | "account.sign_in_refused"
  | "account.signed_out"
  | "account.password_set"
  | "credential.created"
  | "credential.rotated"
  | "credential.revoked"
  | "limits.changed"
  | "addresses.changed"
  | "headers.changed"
  | "sessions.changed"
  | "connection.disconnected"
  | "usage.not_reconciled";

/** Who did it, from where, where no principal is known yet: at sign-in. */
export type AuditSource = Omit<Caller, "principal"> & { readonly userId: string | null };

/** One entry as it is hashed: the order of the fields is part of the format. */
interface AuditEntry {
  readonly at: string;
  readonly userId: string | null;
  readonly actor: string;
  readonly action: AuditAction;
  readonly subject: string | null;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
}

/** The advisory lock that puts the writers of the chain in a line. */
const CHAIN_LOCK = 0x61746c61;

/**
 * The record of who did what. Each entry's hash covers the one before, so that an entry taken out or changed later
 * can be found; the table itself refuses changes.
 */
export class AuditLog {
  /**
   * Writes an entry in the caller's transaction: what it tells of and the entry are stored together or not at all.
   *
   * @param details never a secret.
   */
  async record(
    transaction: Kysely<Schema>,
    source: Caller | AuditSource,
    action: AuditAction,
    subject: string | null,
    details: AuditEntry["details"],
  ): Promise<void> {
    const entry: AuditEntry = {
      at: new Date().toISOString(),
      ...actorOf(source),
      action,
      subject,
      address: source.address,
      userAgent: source.userAgent?.slice(0, 500) ?? null,
      requestId: source.requestId,
      details,
    };
    await sql`select pg_advisory_xact_lock(${CHAIN_LOCK})`.execute(transaction);
    const last = await transaction
      .selectFrom("audit_log")
      .select("hash")
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    await transaction
      .insertInto("audit_log")
      .values({
        at: new Date(entry.at),
        user_id: entry.userId,
        actor: entry.actor,
        action,
        subject,
        address: entry.address,
        user_agent: entry.userAgent,
        request_id: entry.requestId,
        details: JSON.stringify(details),
        previous_hash: last?.hash ?? null,
        hash: entryHash(entry, last?.hash ?? null),
      })
      .execute();
  }

  /** The id of the first entry whose hash does not follow from its content and its predecessor; null when all do. */
  async firstBroken(db: Kysely<Schema>): Promise<bigint | null> {
    const rows = await db.selectFrom("audit_log").selectAll().orderBy("id").execute();
    let previous: Uint8Array | null = null;
    for (const row of rows) {
      const entry: AuditEntry = {
        at: row.at.toISOString(),
        userId: row.user_id,
        actor: row.actor,
        action: row.action as AuditAction,
        subject: row.subject,
        address: row.address,
        userAgent: row.user_agent,
        requestId: row.request_id,
        details: row.details as AuditEntry["details"],
      };
      if (!sameBytes(entryHash(entry, previous), row.hash)) return row.id;
      previous = row.hash;
    }
    return null;
  }
}

function actorOf(source: Caller | AuditSource): { userId: string | null; actor: string } {
  if (!("principal" in source)) return { userId: source.userId, actor: "visitor" };
  const { principal } = source;
  const actor = principal.kind === "session" ? "session" : `credential ${principal.credentialId}`;
  return { userId: principal.userId, actor };
}

function entryHash(entry: AuditEntry, previous: Uint8Array | null): Uint8Array {
  // jsonb does not keep the order of keys.
  const details = Object.entries(entry.details).sort(([a], [b]) => (a < b ? -1 : 1));
  const canonical = JSON.stringify([
    entry.at,
    entry.userId,
    entry.actor,
    entry.action,
    entry.subject,
    entry.address,
    entry.userAgent,
    entry.requestId,
    details,
  ]);
  return createHash("sha256")
    .update(previous ?? new Uint8Array(32))
    .update(canonical)
    .digest();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
