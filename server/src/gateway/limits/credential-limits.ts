import { type Allowance, createRate, type Rate } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import type { ConnectionRecord } from "../../metering/usage-recorder.ts";
import type { Identity } from "../authenticator.ts";
import type { GatewayCredential } from "../credential.ts";
import type { FlowLimitSource, FlowLimits, WishedFlow } from "../flow-limits.ts";
import type { CheckedTarget } from "../target-guard.ts";
import { type CredentialSettings, NO_SETTINGS } from "./credential-settings.ts";
import { RequestBucket } from "./request-bucket.ts";

/** Credentials whose buckets are kept while nothing of them is open. */
const MAX_KEPT = 10_000;

export interface CredentialLimitsParts {
  /** What an account may still move. @throws ProxyError `quota_exhausted` */
  readonly allowanceOf: (userId: string) => Allowance | Promise<Allowance>;
  /** How many flows a credential has open in this process, the one that asks among them. */
  readonly countOpen: (credentialId: string) => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/** What all flows of a credential in this process share. */
interface Shared {
  settings: CredentialSettings;
  readonly rate: Rate;
  readonly requests: RequestBucket;
  limits: FlowLimits | undefined;
}

/** Holds the flows of each credential to what its owner has set, and to the account's balance. */
export class CredentialLimits implements FlowLimitSource {
  readonly #parts: CredentialLimitsParts;
  readonly #shared = new Map<string, Shared>();

  constructor(parts: CredentialLimitsParts) {
    this.#parts = parts;
  }

  admit({ credential }: Identity, wish: WishedFlow): FlowLimits | Promise<FlowLimits> {
    // Between the login and this the credential may have been revoked, or the client's address taken off its list.
    if (credential.ended) throw new ProxyError("wrong_credentials");
    const shared = this.apply(credential);
    const { settings } = shared;
    if (!mayComeFrom(settings, wish.client)) throw new ProxyError("wrong_credentials");
    if (settings.connections !== null && this.#parts.countOpen(credential.id) > settings.connections) {
      throw new ProxyError("connection_limit");
    }
    // The targets of datagrams are checked one by one.
    const refusal = wish.datagrams ? undefined : settings.targets.refusal(wish.host, wish.port);
    if (refusal !== undefined) throw new ProxyError("target_not_allowed", refusal);
    if (!shared.requests.take()) throw new ProxyError("request_limit");
    const allowance = this.#parts.allowanceOf(credential.userId);
    return allowance instanceof Promise
      ? allowance.then((filled) => limitsWith(shared, filled))
      : limitsWith(shared, allowance);
  }

  checkTarget({ credential }: Identity, { host, port, addresses }: CheckedTarget): void {
    const refusal = credential.settings?.targets.refusal(host, port, addresses);
    if (refusal !== undefined) throw new ProxyError("target_not_allowed", refusal);
  }

  /** Lets a credential's settings take effect on what is open. */
  apply(credential: GatewayCredential): Shared {
    const settings = credential.settings ?? NO_SETTINGS;
    const found = this.#shared.get(credential.id);
    if (found === undefined) return this.#begin(credential.id, settings);
    if (found.settings === settings) return found;
    if (found.settings.bytesPerSecond !== settings.bytesPerSecond) found.rate.set(settings.bytesPerSecond);
    found.requests.set(settings.requestsPerSecond);
    found.settings = settings;
    found.limits = undefined;
    return found;
  }

  #begin(id: string, settings: CredentialSettings): Shared {
    if (this.#shared.size >= MAX_KEPT) this.#forget();
    const shared = {
      settings,
      rate: createRate(settings.bytesPerSecond),
      requests: new RequestBucket(settings.requestsPerSecond, this.#parts.clock),
      limits: undefined,
    };
    this.#shared.set(id, shared);
    return shared;
  }

  #forget(): void {
    for (const id of this.#shared.keys()) {
      if (this.#parts.countOpen(id) === 0) this.#shared.delete(id);
    }
  }
}

/** Flows of one credential and one lease share one object. */
function limitsWith(shared: Shared, allowance: Allowance): FlowLimits {
  if (shared.limits?.allowance !== allowance) {
    const { rate, requests, settings } = shared;
    shared.limits = { allowance, rate, requests, addedFields: settings.addedFields };
  }
  return shared.limits;
}

function mayComeFrom({ authMethod, addresses }: CredentialSettings, client: string): boolean {
  return authMethod === "password" || addresses.has(client);
}

/** Why a flow that is open has to end now that its credential's settings are these; undefined when it may stay. */
export function reasonToEnd(
  before: CredentialSettings,
  now: CredentialSettings,
  { client, targetHost, targetPort }: ConnectionRecord,
): string | undefined {
  // Who was let in by address alone never showed the password that is asked for now.
  if (before.authMethod === "address" && now.authMethod !== "address") return "credential_changed";
  if (!mayComeFrom(now, client)) return "address_not_allowed";
  // The datagrams of an association are checked one by one.
  if (now.targets.rules === before.targets.rules || targetHost === "*") return undefined;
  if (now.targets.needsAddresses(targetHost)) return "target_not_allowed";
  return now.targets.refusal(targetHost, targetPort) === undefined ? undefined : "target_not_allowed";
}
