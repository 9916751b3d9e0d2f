import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, pairs, type SpelledExit } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";

const account = { username: loginWord, password: secretText };
type Account = z.infer<z.ZodObject<typeof account>>;

const HOST = "gw.dataimpulse.com";

export const dataimpulse = defineAdapter({
  kind: "dataimpulse",
  label: "DataImpulse",
  tier: "residential",
  account,
  secrets: ["username", "password"],
  entries: { http: { host: HOST, port: 823 }, socks5: { host: HOST, port: 824 } },
  chooses: {
    country: "vendor",
    region: "community",
    city: "vendor",
    postalCode: "community",
    asn: "community",
  },
  session: {
    id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
    lifetime: { minimum: 1, maximum: 1440 },
    keepAliveMs: null,
    oneAddress: false,
    // The provider prints sessid, and sessttl for its sticky ports; both together only others write.
    evidence: "community",
  },
  udp: false,
  notes: [
    "State, city, postal code and ASN need a country.",
    "Traffic that is chosen by a city costs double.",
    "Names of several words are written as one: newjersey.",
  ],
  sources: [
    "https://docs.dataimpulse.com/proxies/parameters/city",
    "https://docs.dataimpulse.com/proxies/parameters/session-id",
    "https://docs.dataimpulse.com/proxies/parameters/session-interval",
  ],
  disputes: [],
  checkUrl: null,
  usage: null,
  spell,
  refusal,
});

function spell(
  { username, password }: Account,
  exit: SpelledExit,
  session: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const { country, region, city, postalCode, asn } = exit;
  if (asn !== undefined && country === undefined) {
    throw noExit("DataImpulse chooses by ASN only within a country. Add cc.");
  }
  const parts = pairs(
    ".",
    ["cr", country],
    ["state", region?.replaceAll("_", "")],
    ["city", city?.replaceAll("_", "")],
    ["zip", postalCode],
    ["asn", asn],
    ["sessid", session?.id],
    ["sessttl", session?.lifetimeMinutes],
  );
  const asked = parts.length === 0 ? "" : `__${parts.join(";")}`;
  return { ...entry, username: `${username}${asked}`, password };
}

function refusal({ status, reason, headers }: ProviderRefusal): ProxyErrorCode | undefined {
  const words = [reason, ...headers.values()].join(" ");
  if (/NO_RAY/.test(words)) return "no_exit";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (/NO_HOST_CONNECTION/.test(words)) return "upstream_failed";
  return undefined;
}
