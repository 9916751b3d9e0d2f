import { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, pairs, type SpelledExit, sameDoor } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest, SessionRules } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";

const HOST = "proxy.soax.com";

const session: SessionRules = {
  id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
  // 10 s to 3600 s.
  lifetime: { minimum: 1, maximum: 60 },
  // It ends after 60 s of idleness; the provider advises a request every 30 s.
  keepAliveMs: 30_000,
  oneAddress: false,
  evidence: "vendor",
};

const packageAccount = {
  packageId: loginWord,
  /** The package's key. */
  password: secretText,
  /** What `sessionlength` counts. The provider's pages say seconds, some programs take minutes. */
  sessionLengthUnit: z.enum(["seconds", "minutes"]).default("seconds"),
};
type PackageAccount = z.infer<z.ZodObject<typeof packageAccount>>;

/** SOAX by a package's number at port 5000. */
export const soax = defineAdapter({
  kind: "soax",
  label: "SOAX",
  tier: "residential",
  account: packageAccount,
  secrets: ["packageId", "password"],
  entries: sameDoor(HOST, 5_000),
  chooses: { country: "vendor", region: "vendor", city: "vendor" },
  session,
  udp: true,
  notes: [
    "Spaces of names are written +, as in new+york.",
    "An address that is lost is replaced without a word: for the modes strict and oneip use soax-rules.",
  ],
  sources: [
    "https://helpcenter.soax.com/en/articles/6723733-sticky-sessions",
    "https://helpcenter.soax.com/en/articles/9939557-understanding-session-parameters",
    "https://helpcenter.soax.com/en/articles/7035059-session-control-for-isp-proxies",
  ],
  disputes: [
    {
      option: "sessionLengthUnit",
      values: ["seconds", "minutes"],
      question: "Does sessionlength count seconds or minutes?",
      // Ten of what it counts: gone after 20 s, or not.
      probe: {
        kind: "lifetime",
        as: { option: "sessionLengthUnit", value: "minutes" },
        minutes: 10,
        seconds: 20,
        changed: "seconds",
        kept: "minutes",
      },
    },
  ],
  checkUrl: "https://checker.soax.com/api/ipinfo",
  usage: null,
  spell: spellPackage,
  refusal,
});

function spellPackage(
  { packageId, password, sessionLengthUnit }: PackageAccount,
  exit: SpelledExit,
  sticky: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const factor = sessionLengthUnit === "seconds" ? 60 : 1;
  const parts = pairs(
    "-",
    ["package", packageId],
    ["country", exit.country],
    ["region", exit.region?.replaceAll("_", "+")],
    ["city", exit.city?.replaceAll("_", "+")],
    ["sessionid", sticky?.id],
    ["sessionlength", sticky && sticky.lifetimeMinutes * factor],
  );
  return { ...entry, username: parts.join("-"), password };
}

const rulesAccount = {
  /** The package's key, as in `pk_abc123`. */
  password: secretText,
};
type RulesAccount = z.infer<z.ZodObject<typeof rulesAccount>>;

/** SOAX by rules alone at port 1337: the newer of its two doors. */
export const soaxRules = defineAdapter({
  kind: "soax-rules",
  label: "SOAX (rules)",
  tier: "residential",
  account: rulesAccount,
  secrets: ["password"],
  entries: sameDoor(HOST, 1_337),
  chooses: {
    country: "vendor",
    region: "community",
    city: "vendor",
    postalCode: "community",
    asn: "community",
  },
  session: { ...session, lifetime: { minimum: 1, maximum: 1440 }, oneAddress: true, evidence: "community" },
  udp: true,
  notes: [
    "Without any place it is asked for country-any.",
    "A session keeps the place of its first connection.",
  ],
  sources: [
    "https://developers.soax.com/getting-started/authentication.md",
    "https://developers.soax.com/proxies/residential.md",
    "https://developers.soax.com/troubleshooting/error-codes.md",
  ],
  disputes: [],
  checkUrl: "https://checker.soax.com/api/ipinfo",
  usage: null,
  spell: spellRules,
  refusal,
});

function spellRules(
  { password }: RulesAccount,
  { country, region, city, postalCode, asn }: SpelledExit,
  sticky: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const isAnywhere = country === undefined && asn === undefined;
  const parts = pairs(
    "-",
    ["country", isAnywhere ? "any" : country],
    ["region", region],
    ["city", city],
    ["zip", postalCode],
    ["asn", asn],
    ["session", sticky?.id],
    // bind-node and a time of rotation exclude each other.
    ["rotate", sticky?.mode === "flex" ? `timed_${sticky.lifetimeMinutes * 60}` : undefined],
  );
  if (sticky && sticky.mode !== "flex") parts.push("bind-node", "onerror-fail");
  return { ...entry, username: parts.join("-"), password };
}

function refusal({ status, reason, headers }: ProviderRefusal): ProxyErrorCode | undefined {
  const words = `${reason} ${headers.get("x-soax-error") ?? ""}`;
  if (/BOUND_NODE_FAILED/.test(words)) return "session_lost";
  if (status === 407 || /AUTH_(FAILED|REQUIRED)|ERR_PARAM_NOT_ALLOWED/.test(words)) return "upstream_denied";
  if (status === 400 && /ERR_/.test(words)) return "no_exit";
  if (status === 403) return "forbidden_target";
  if (status === 504) return "connection_timeout";
  return undefined;
}
