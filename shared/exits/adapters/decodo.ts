import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, pairs, type SpelledExit, sameDoor } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import { usState } from "./us-states.ts";

const account = { username: loginWord, password: secretText };
type Account = z.infer<z.ZodObject<typeof account>>;

/** Decodo, which was Smartproxy. */
export const decodo = defineAdapter({
  kind: "decodo",
  label: "Decodo",
  tier: "residential",
  account,
  secrets: ["username", "password"],
  entries: sameDoor("gate.decodo.com", 7_000),
  chooses: {
    country: "vendor",
    continent: "community",
    region: "vendor",
    city: "vendor",
    postalCode: "vendor",
    asn: "community",
  },
  session: {
    id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
    lifetime: { minimum: 1, maximum: 1440 },
    keepAliveMs: null,
    oneAddress: false,
    evidence: "vendor",
  },
  udp: false,
  notes: [
    "A city and an ASN exclude each other.",
    "States and postal codes are those of the United States.",
    "An address may be lost early, and another is given without a word: the modes strict and oneip are refused.",
  ],
  sources: [
    "https://help.decodo.com/docs/residential-proxy-advanced-parameters",
    "https://help.decodo.com/docs/residential-proxy-custom-sticky-sessions",
    "https://help.decodo.com/docs/residential-proxy-session-types",
    "https://help.decodo.com/docs/residential-proxy-error-definitions",
  ],
  disputes: [],
  checkUrl: "https://ip.decodo.com/json",
  usage: {
    covers: "bytes per day, per sub-user, by the account's API key",
    evidence: "vendor",
    source: "https://help.decodo.com/api-reference/traffic/get-traffic",
    query: null,
  },
  spell,
  refusal,
});

function spell(
  { username, password }: Account,
  exit: SpelledExit,
  session: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const { country, continent, region, city, postalCode, asn } = exit;
  if (city !== undefined && asn !== undefined) {
    throw noExit("Decodo chooses by a city or by an ASN, not by both. Leave city or asn out.");
  }
  if (postalCode !== undefined && !(country === "us" && /^\d{5}$/.test(postalCode))) {
    throw noExit("Decodo knows postal codes of the United States only, of five digits.");
  }
  const parts = pairs(
    "-",
    ["user", username],
    ["country", country],
    ["continent", continent],
    ["state", region && stateOf(country, region)],
    ["city", city],
    ["zip", postalCode],
    ["asn", asn],
    ["session", session?.id],
    ["sessionduration", session?.lifetimeMinutes],
  );
  return { ...entry, username: parts.join("-"), password };
}

function stateOf(country: string | undefined, region: string): string {
  const state = country === "us" ? usState(region) : undefined;
  if (state) return `us_${state.name}`;
  throw noExit("Decodo chooses by the states of the United States only. Leave st out.");
}

function refusal({ status, reason, headers }: ProviderRefusal): ProxyErrorCode | undefined {
  const words = [reason, ...headers.values()].join(" ").toLowerCase();
  if (words.includes("session has failed")) return "session_lost";
  if (words.includes("no exit")) return "no_exit";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (status === 504 || status === 522) return "connection_timeout";
  return undefined;
}
