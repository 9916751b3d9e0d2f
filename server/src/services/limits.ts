import { type Kysely, sql } from "kysely";
import type { Schema } from "../db/schema.ts";
import { readPortRange, readTargetPattern } from "../gateway/limits/target-policy.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";
import { requireOwnCredential } from "./own-credential.ts";

/** null: as the account, and for the account itself no limit. */
export type Limit<Amount> = Amount | "unlimited" | null;

/** What holds for one credential, or for all that have nothing of their own. */
export interface Limits {
  /** null: the account's default. */
  readonly credentialId: string | null;
  readonly requestsPerSecond: Limit<number>;
  /** Bytes per second, both directions together. */
  readonly bandwidthLimit: Limit<bigint>;
  /** Open at once in one gateway. */
  readonly connections: Limit<number>;
  /** `443` or `8000-8999`; null: as the account, and for the account itself all. */
  readonly allowedPorts: readonly string[] | null;
  /** `example.com`, `*.example.com`, an address or a range, each with or without a port; null: as the account, or all. */
  readonly allowedTargets: readonly string[] | null;
  /** The account's and the credential's hold together, and above what is allowed. */
  readonly blockedTargets: readonly string[];
}

const MAX_RULES = 500;

/** Reads and changes the limits of an account and of its single credentials. */
export class LimitsService {
  readonly #db: Kysely<Schema>;
  readonly #audit: AuditLog;

  constructor(parts: { db: Kysely<Schema>; audit: AuditLog }) {
    this.#db = parts.db;
    this.#audit = parts.audit;
  }

  /** @throws ServiceError not_found when the account has no such live credential */
  async get(caller: Caller, credentialId: string | null): Promise<Limits> {
    const { userId } = authorise(caller, "limits.read");
    return this.#db.transaction().execute(async (transaction) => {
      if (credentialId !== null) await requireOwnCredential(transaction, userId, credentialId);
      return readLimits(transaction, userId, credentialId);
    });
  }

  /**
   * Sets all of it anew. It takes effect on what is open within a second.
   * @throws ServiceError invalid, naming what was wrong; not_found
   */
  async set(caller: Caller, limits: Limits): Promise<Limits> {
    const { userId } = authorise(caller, "limits.change");
    const { credentialId } = limits;
    const rules = {
      allowed_ports: textOf(readAll("allowedPorts", limits.allowedPorts, readPortRange)),
      allowed_targets: textOf(readAll("allowedTargets", limits.allowedTargets, readTargetPattern)),
      blocked_targets: JSON.stringify(readAll("blockedTargets", limits.blockedTargets, readTargetPattern)),
    };
    const own = credentialId !== null;
    const throttling = {
      requests_per_second: stored("requestsPerSecond", limits.requestsPerSecond, 0, own),
      bandwidth_limit: stored("bandwidthLimit", limits.bandwidthLimit, 0n, own),
      connections: stored("connections", limits.connections, 0, own),
    };
    return this.#db.transaction().execute(async (transaction) => {
      if (credentialId !== null) await requireOwnCredential(transaction, userId, credentialId);
      const whose = { user_id: userId, credential_id: credentialId };
      const now = { updated_at: new Date() };
      const conflict = own
        ? sql`on conflict (credential_id) do update set`
        : sql`on conflict (user_id) where credential_id is null do update set`;
      await sql`
        insert into throttling_settings (user_id, credential_id, requests_per_second, bandwidth_limit, connections)
        values (${whose.user_id}, ${whose.credential_id}, ${throttling.requests_per_second},
          ${throttling.bandwidth_limit}, ${throttling.connections})
        ${conflict} requests_per_second = excluded.requests_per_second,
          bandwidth_limit = excluded.bandwidth_limit, connections = excluded.connections, updated_at = ${now.updated_at}
      `.execute(transaction);
      await sql`
        insert into target_rules (user_id, credential_id, allowed_ports, allowed_targets, blocked_targets)
        values (${whose.user_id}, ${whose.credential_id}, ${rules.allowed_ports}::jsonb,
          ${rules.allowed_targets}::jsonb, ${rules.blocked_targets}::jsonb)
        ${conflict} allowed_ports = excluded.allowed_ports, allowed_targets = excluded.allowed_targets,
          blocked_targets = excluded.blocked_targets, updated_at = ${now.updated_at}
      `.execute(transaction);
      await this.#audit.record(transaction, caller, "limits.changed", credentialId, {
        requestsPerSecond: throttling.requests_per_second,
        bandwidthLimit: throttling.bandwidth_limit === null ? null : String(throttling.bandwidth_limit),
        connections: throttling.connections,
        allowedPorts: rules.allowed_ports,
        allowedTargets: rules.allowed_targets,
        blockedTargets: rules.blocked_targets,
      });
      return readLimits(transaction, userId, credentialId);
    });
  }
}

async function readLimits(db: Kysely<Schema>, userId: string, credentialId: string | null): Promise<Limits> {
  const throttling = await db
    .selectFrom("throttling_settings")
    .select(["requests_per_second", "bandwidth_limit", "connections"])
    .where("user_id", "=", userId)
    .where("credential_id", "is not distinct from", credentialId)
    .executeTakeFirst();
  const rules = await db
    .selectFrom("target_rules")
    .select(["allowed_ports", "allowed_targets", "blocked_targets"])
    .where("user_id", "=", userId)
    .where("credential_id", "is not distinct from", credentialId)
    .executeTakeFirst();
  return {
    credentialId,
    requestsPerSecond: shown(throttling?.requests_per_second),
    bandwidthLimit: shown(throttling?.bandwidth_limit),
    connections: shown(throttling?.connections),
    allowedPorts: rules?.allowed_ports ?? null,
    allowedTargets: rules?.allowed_targets ?? null,
    blockedTargets: rules?.blocked_targets ?? [],
  };
}

function shown<Amount extends number | bigint>(amount: Amount | null | undefined): Limit<Amount> {
  if (amount === null || amount === undefined) return null;
  return Number(amount) === 0 ? "unlimited" : amount;
}

function stored<Amount>(
  name: string,
  limit: Limit<Amount>,
  none: Amount,
  ofCredential: boolean,
): Amount | null {
  if (limit !== "unlimited") return limit;
  if (ofCredential) return none;
  throw new ServiceError(
    "invalid",
    `${name}: for the account itself, leave it empty where there is no limit.`,
  );
}

function readAll<Texts extends readonly string[] | null>(
  name: string,
  texts: Texts,
  read: (text: string) => string | { readonly problem: string },
): Texts extends null ? string[] | null : string[] {
  if (texts === null) return null as never;
  if (texts.length > MAX_RULES) {
    throw new ServiceError("invalid", `${name}: at most ${MAX_RULES} entries are possible.`);
  }
  const found = texts.map((text) => {
    const entry = read(text);
    if (typeof entry === "string") return entry;
    throw new ServiceError("invalid", `${name}: ${entry.problem}`);
  });
  return [...new Set(found)] as never;
}

function textOf(list: readonly string[] | null): string | null {
  return list === null ? null : JSON.stringify(list);
}
