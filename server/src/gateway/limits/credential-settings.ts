import { z } from "zod";
import type { AddedFields } from "../flow-limits.ts";
import { addedFields } from "./added-fields.ts";
import { AddressList } from "./address-list.ts";
import { TargetPolicy } from "./target-policy.ts";

/** How a client shows that a credential is its own. */
export type AuthMethod = "password" | "address" | "password_and_address";

/** All that is set for a credential, its account's defaults filled in. */
export interface CredentialSettings {
  /** null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Both directions together; null: no limit. */
  readonly bytesPerSecond: number | null;
  /** Open at once in one gateway; null: the gateway's own limit. */
  readonly connections: number | null;
  readonly targets: TargetPolicy;
  readonly addedFields: AddedFields | undefined;
  readonly authMethod: AuthMethod;
  readonly addresses: AddressList;
  readonly sessions: SessionSettings;
}

/** What holds where a user name asks for no session of its own. */
export interface SessionSettings {
  readonly enabled: boolean;
  readonly minutes: number;
  readonly mode: "flex" | "strict" | "oneip";
}

const throttling = z.object({
  credential_id: z.string().nullable(),
  requests_per_second: z.int().nullable(),
  bandwidth_limit: z.int().nullable(),
  connections: z.int().nullable(),
});
const rules = z.object({
  credential_id: z.string().nullable(),
  allowed_ports: z.array(z.string()).nullable(),
  allowed_targets: z.array(z.string()).nullable(),
  blocked_targets: z.array(z.string()),
});
const header = z.object({ credential_id: z.string().nullable(), name: z.string(), value: z.string() });

/** The settings' rows, as one JSON document per credential. */
export const settingsRowsSchema = z.object({
  throttling: z.array(throttling),
  rules: z.array(rules),
  headers: z.array(header),
  authentication: z
    .object({
      auth_method: z.enum(["password", "address", "password_and_address"]),
      allowed_addresses: z.array(z.string()),
    })
    .nullable(),
  sessions: z
    .object({
      enabled: z.boolean(),
      session_duration: z.int(),
      ip_stickiness: z.enum(["flex", "strict", "oneip"]),
    })
    .nullable(),
});

type SettingsRows = z.infer<typeof settingsRowsSchema>;

/**
 * Puts a credential's settings together: field by field its own, else its account's.
 * @throws Error when a rule cannot be read
 */
export function credentialSettings(rows: SettingsRows): CredentialSettings {
  const { own, account } = apart(rows.throttling);
  const { own: ownRules, account: accountRules } = apart(rows.rules);
  return {
    requestsPerSecond: limit(own?.requests_per_second, account?.requests_per_second),
    bytesPerSecond: limit(own?.bandwidth_limit, account?.bandwidth_limit),
    connections: limit(own?.connections, account?.connections),
    targets: new TargetPolicy({
      allowedPorts: ownRules?.allowed_ports ?? accountRules?.allowed_ports ?? null,
      allowedTargets: ownRules?.allowed_targets ?? accountRules?.allowed_targets ?? null,
      blockedTargets: [...(accountRules?.blocked_targets ?? []), ...(ownRules?.blocked_targets ?? [])],
    }),
    addedFields: addedFields(ownOverAccount(rows.headers)),
    authMethod: rows.authentication?.auth_method ?? "password",
    addresses: new AddressList(rows.authentication?.allowed_addresses ?? []),
    sessions: {
      enabled: rows.sessions?.enabled ?? false,
      minutes: rows.sessions?.session_duration ?? 10,
      mode: rows.sessions?.ip_stickiness ?? "flex",
    },
  };
}

function apart<Row extends { credential_id: string | null }>(found: readonly Row[]) {
  return {
    own: found.find((row) => row.credential_id !== null),
    account: found.find((row) => row.credential_id === null),
  };
}

/** null is "as the account", and there no limit; 0 is "no limit although the account has one". */
function limit(own: number | null | undefined, account: number | null | undefined): number | null {
  const holds = own ?? account ?? null;
  return holds === 0 ? null : holds;
}

/** A credential's field stands for its account's of the same name. */
function ownOverAccount(headers: SettingsRows["headers"]): SettingsRows["headers"] {
  const own = new Set(
    headers.filter((one) => one.credential_id !== null).map(({ name }) => name.toLowerCase()),
  );
  return headers.filter((one) => one.credential_id !== null || !own.has(one.name.toLowerCase()));
}

/** Nothing is set: no limits, and a password. */
export const NO_SETTINGS: CredentialSettings = credentialSettings({
  throttling: [],
  rules: [],
  headers: [],
  authentication: null,
  sessions: null,
});
