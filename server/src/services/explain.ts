import {
  type ExplainedError,
  type ExplainedUsername,
  explainError,
  explainUsername,
  rotationOf,
} from "@atlantic/shared/exits/explain.ts";
import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { noExitHere } from "@atlantic/shared/exits/no-exit-here.ts";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { wishOf } from "../gateway/account-session.ts";
import { readCredential, type StoredCredential } from "../gateway/limits/read-credentials.ts";
import { authorise, type Caller } from "./caller.ts";
import type { LiveGateway } from "./live-gateway.ts";

/** What would come of asking one upstream. See gateway/upstreams/explain-upstreams.ts. */
export interface ExplainedUpstream {
  readonly name: string;
  readonly label: string;
  readonly refusal: string | null;
  readonly namesPart?: true;
  readonly asked: {
    readonly protocol: string;
    readonly host: string;
    readonly port: number;
    readonly username: string | null;
    readonly password: string | null;
  } | null;
  readonly evidence: "vendor" | "community" | null;
  readonly lifetimeMinutes: number | null;
}

/** What a session is like now. */
export interface ExplainedSession {
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly upstream: string | null;
  readonly lost: boolean;
}

/** What each upstream would be asked, in the order in which they would be. */
export type UpstreamExplainer = (
  exit: ExitSelector,
  session: ExitSession | null,
) => readonly ExplainedUpstream[];

/** What a GB costs. A GB is 10^9 bytes. */
export interface ExplainedPrice {
  readonly plan: string;
  readonly currency: string;
  /** Decimal text. */
  readonly pricePerGb: string;
  readonly includedBytes: bigint;
}

/** Null: no limit. */
export interface ExplainedLimits {
  readonly remainingBytes: bigint | null;
  readonly requestsPerSecond: number | null;
  /** Bytes per second, both directions together. */
  readonly bandwidth: bigint | null;
  /** Open at once; null: the gateway's own limit. */
  readonly connections: number | null;
  readonly authentication: "password" | "address" | "password_and_address";
  readonly allowedAddresses: readonly string[];
  readonly allowedPorts: readonly string[] | null;
  readonly allowedTargets: readonly string[] | null;
  readonly blockedTargets: readonly string[];
}

export interface Explanation {
  readonly username: ExplainedUsername;
  /** What the gateway would answer now; null: the connection would be tried. */
  readonly error: ExplainedError | null;
  readonly upstreams: readonly ExplainedUpstream[];
  /** Null: the account has no plan. */
  readonly price: ExplainedPrice | null;
  /** Null where the user name is not one of the account's. */
  readonly limits: ExplainedLimits | null;
  /** The session that the account's settings give it, because the name asks for none; null: they give none. */
  readonly accountSession: { readonly session: ExitSession; readonly rotation: string } | null;
  /** Null: there is none, or it has not begun. */
  readonly session: ExplainedSession | null;
}

interface Parts {
  readonly db: Kysely<Schema>;
  readonly gateway: LiveGateway;
  readonly upstreams: UpstreamExplainer;
  readonly now: () => Date;
}

/** Says what a user name means for the account that shows it. */
export class ExplainService {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A name that cannot be read, or is another account's, is an answer and no refusal. */
  async explain(caller: Caller, text: string): Promise<Explanation> {
    const { userId } = authorise(caller, "proxy.explain");
    const username = explainUsername(text);
    const price = await this.#price(userId);
    const nothing = { upstreams: [], price, limits: null, accountSession: null, session: null };
    if (!username.readable) return { ...nothing, username, error: username.error };
    const credential = await readCredential(this.#parts.db, username.credential);
    if (credential === undefined || credential.userId !== userId) {
      // No more than clients are told.
      const error = explainError("wrong_credentials");
      const upstreams = this.#parts.upstreams(username.exit, username.session);
      return { ...nothing, username, error, upstreams };
    }
    const said = { ...username, session: username.session ?? undefined };
    const wish = wishOf({ wish: said, credential });
    const upstreams = this.#parts.upstreams(wish.exit, wish.session ?? null);
    const limits = await this.#limits(credential);
    const session = await this.#session(credential.id, wish);
    const error = errorNow(limits, upstreams, session, wish.exit);
    return { username, error, upstreams, price, limits, accountSession: accountSession(said, wish), session };
  }

  async #session(credentialId: string, wish: GatewayUsername): Promise<ExplainedSession | null> {
    if (wish.session === undefined) return null;
    const state = await this.#parts.gateway.peekSession(credentialId, wish);
    return state ? { expiresAt: state.expiresAt, upstream: state.upstream ?? null, lost: state.lost } : null;
  }

  async #price(userId: string): Promise<ExplainedPrice | null> {
    const now = this.#parts.now();
    const plan = await this.#parts.db
      .selectFrom("subscriptions")
      .innerJoin("plans", "plans.id", "subscriptions.plan_id")
      .select(["plans.name", "plans.currency", "plans.price_per_gb", "plans.included_bytes"])
      .where("subscriptions.user_id", "=", userId)
      .where("subscriptions.status", "in", ["active", "past_due"])
      .where("subscriptions.period_start", "<=", now)
      .where("subscriptions.period_end", ">", now)
      .orderBy("subscriptions.created_at", "desc")
      .limit(1)
      .executeTakeFirst();
    if (plan === undefined) return null;
    return {
      plan: plan.name,
      currency: plan.currency,
      pricePerGb: plan.price_per_gb,
      includedBytes: plan.included_bytes,
    };
  }

  async #limits({ id, userId, username, settings }: StoredCredential): Promise<ExplainedLimits> {
    const { db } = this.#parts;
    const [balance, rules, authentication] = await Promise.all([
      db.selectFrom("traffic_balances").selectAll().where("user_id", "=", userId).executeTakeFirst(),
      db.selectFrom("target_rules").selectAll().where("user_id", "=", userId).execute(),
      db
        .selectFrom("proxy_authentication")
        .select("allowed_addresses")
        .where("user_id", "=", userId)
        .where("username", "=", username)
        .executeTakeFirst(),
    ]);
    const left = balance && balance.allowance_bytes - balance.used_bytes - balance.reserved_bytes;
    const own = rules.find((rule) => rule.credential_id === id);
    const account = rules.find((rule) => rule.credential_id === null);
    return {
      remainingBytes: left === undefined ? null : left > 0n ? left : 0n,
      requestsPerSecond: settings.requestsPerSecond,
      bandwidth: settings.bytesPerSecond === null ? null : BigInt(settings.bytesPerSecond),
      connections: settings.connections,
      authentication: settings.authMethod,
      allowedAddresses: authentication?.allowed_addresses ?? [],
      allowedPorts: own?.allowed_ports ?? account?.allowed_ports ?? null,
      allowedTargets: own?.allowed_targets ?? account?.allowed_targets ?? null,
      blockedTargets: [...(account?.blocked_targets ?? []), ...(own?.blocked_targets ?? [])],
    };
  }
}

function accountSession(said: GatewayUsername, { session }: GatewayUsername): Explanation["accountSession"] {
  if (said.session !== undefined || session === undefined) return null;
  return { session, rotation: rotationOf(session) };
}

function errorNow(
  { remainingBytes }: ExplainedLimits,
  upstreams: readonly ExplainedUpstream[],
  session: ExplainedSession | null,
  exit: ExitSelector,
): ExplainedError | null {
  if (remainingBytes === 0n) return explainError("quota_exhausted");
  if (session?.lost) return explainError("session_lost");
  if (upstreams.length === 0 || upstreams.some(({ refusal }) => refusal === null)) return null;
  const named = upstreams.find(({ namesPart }) => namesPart);
  return explainError("no_exit", named?.refusal ?? noExitHere(exit));
}
