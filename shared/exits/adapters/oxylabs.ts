import { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import type { ExitSelector } from "../selector.ts";
import { defineAdapter, noExit, pairs, type SpelledExit, sameDoor } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest, SessionRules } from "./provider-adapter.ts";
import type { ProviderAccount, ProviderLogin, ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import { usState } from "./us-states.ts";

/** Oxylabs residential: one entry for HTTP, HTTPS and SOCKS5. */
export const OXYLABS_ENTRY = { host: "pr.oxylabs.io", port: 7777 } as const;

const FIRST_STICKY_PORT = 10_001;
const LAST_STICKY_PORT = 49_999;

const account = {
  username: loginWord.optional(),
  password: secretText.optional(),
  /** The gateway's address is on Oxylabs' list: what is asked for stands in the host's name, and no login is shown. */
  allowListed: z.boolean().default(false),
  /** Sessions by port instead of by `sessid`: ten minutes at most. */
  stickyPorts: z.boolean().default(false),
  /** The key of the ASN. The provider prints it in capitals, all others in small letters. */
  asnKey: z.enum(["ASN", "asn"]).default("ASN"),
};
type Account = z.infer<z.ZodObject<typeof account>>;

const bySessionId: SessionRules = {
  id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
  lifetime: { minimum: 1, maximum: 1440 },
  // It ends after 60 s without a request.
  keepAliveMs: 45_000,
  oneAddress: true,
  evidence: "vendor",
};

const byPort: SessionRules = {
  ...bySessionId,
  id: { kind: "number", minimum: FIRST_STICKY_PORT, maximum: LAST_STICKY_PORT },
  lifetime: { minimum: 10, maximum: 10 },
  oneAddress: false,
};

export const oxylabs = defineAdapter({
  kind: "oxylabs",
  label: "Oxylabs",
  tier: "residential",
  account,
  secrets: ["username", "password"],
  entries: sameDoor(OXYLABS_ENTRY.host, OXYLABS_ENTRY.port),
  chooses: {
    country: "vendor",
    continent: "vendor",
    region: "vendor",
    city: "vendor",
    postalCode: "vendor",
    asn: "vendor",
  },
  session: bySessionId,
  sessionOf: ({ stickyPorts }) => (stickyPorts ? byPort : bySessionId),
  udp: false,
  notes: [
    "A country and an ASN exclude each other: Oxylabs would apply the country alone.",
    "States and postal codes are those of the United States.",
    "For an address on its list what is asked for becomes one label of a host name: 63 characters at most.",
  ],
  sources: [
    "https://developers.oxylabs.io/products/proxies/residential-proxies/making-requests",
    "https://developers.oxylabs.io/products/proxies/residential-proxies/session-control",
    "https://developers.oxylabs.io/products/proxies/residential-proxies/location-settings",
    "https://developers.oxylabs.io/proxies/residential-proxies/additional-information",
  ],
  disputes: [
    {
      option: "asnKey",
      values: ["ASN", "asn"],
      question: "Is the key of a network number written in capitals?",
      probe: { kind: "exit", exit: { asn: 21_928 } },
    },
  ],
  checkUrl: "https://ip.oxylabs.io/location",
  usage: {
    covers:
      "bytes of a month per sub-user, and per target host for 30 days; a token is fetched with the account's login",
    evidence: "vendor",
    source: "https://residential-api.oxylabs.io/v2 (login, client-stats, target-stats)",
    query: null,
  },
  spell,
  refusal,
});

function spell(
  { username, password, ...options }: Account,
  exit: SpelledExit,
  session: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const place = placeParts(exit, options.asnKey);
  const port = options.stickyPorts && session ? Number(session.id) : entry.port;
  const sticky = options.stickyPorts || !session ? [] : [sessionPart(session)];
  if (options.allowListed) return { host: hostOf(entry.host, [...place, ...sticky]), port };
  if (username === undefined || password === undefined) {
    throw new Error("Oxylabs needs a username and a password, or allowListed.");
  }
  return {
    host: entry.host,
    port,
    username: [`customer-${username}`, ...place, ...sticky].join("-"),
    password,
  };
}

function placeParts(exit: SpelledExit, asnKey: Account["asnKey"]): string[] {
  const { country, continent, region, city, postalCode, asn } = exit;
  if (asn !== undefined && (country ?? continent) !== undefined) {
    throw noExit("Oxylabs applies the country alone when an ASN is asked for too. Leave cc or asn out.");
  }
  if (postalCode !== undefined && !(country === "us" && /^\d{5}$/.test(postalCode))) {
    throw noExit("Oxylabs knows postal codes of the United States only, of five digits.");
  }
  return pairs(
    "-",
    // A state brings its country with it.
    ["cc", region === undefined ? country?.toUpperCase() : undefined],
    ["cn", continent?.toUpperCase()],
    ["st", region && stateOf(country, region)],
    ["city", city],
    ["postalcode", postalCode],
    [asnKey, asn],
  );
}

function stateOf(country: string | undefined, region: string): string {
  const state = country === "us" ? usState(region) : undefined;
  if (state) return `us_${state.name}`;
  throw noExit("Oxylabs chooses by the states of the United States only. Leave st out.");
}

/** One address or an error is also what `strict` asks for; only `flex` may get another address. */
function sessionPart({ id, lifetimeMinutes, mode }: ProviderSession): string {
  return mode === "flex" ? `sessid-${id}-sesstime-${lifetimeMinutes}` : `sessid_oneip-${id}`;
}

/** RFC 1035 §2.3.4: a label has 63 octets at most. */
function hostOf(host: string, parts: readonly string[]): string {
  if (parts.length === 0) return host;
  const label = parts.join("-").toLowerCase();
  if (label.length > 63)
    throw noExit("This is too long for Oxylabs' host names. Ask for less, or use a login.");
  return `${label}.bc.${host}`;
}

function refusal({ status, reason, headers }: ProviderRefusal): ProxyErrorCode | undefined {
  return oxylabsRefusal(status, `${reason} ${headers.get("x-error-description") ?? ""}`);
}

/** What Oxylabs means by a refusal; `undefined` where it says nothing of its own. */
export function oxylabsRefusal(status: number, text: string): ProxyErrorCode | undefined {
  const words = text.toLowerCase();
  if (status === 525 || words.includes("no exit") || words.includes("restricted asn")) return "no_exit";
  if (status === 400 && words.includes("unsupported parameters")) return "no_exit";
  if (words.includes("session failed")) return "session_lost";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (status === 504 || status === 522) return "connection_timeout";
  return undefined;
}

/**
 * The login for one connection, for the companion that uses an account without our gateway.
 * @throws ProxyError `no_exit` when the selector asks for what this provider cannot choose by
 */
export function oxylabsLogin(
  { username, password }: ProviderAccount,
  exit: ExitSelector,
  session: ProviderSession | undefined,
): ProviderLogin {
  const asked = oxylabs.bind({ kind: "oxylabs", name: "oxylabs", username, password }).ask(exit, session);
  return { username: asked.username ?? "", password: asked.password ?? "" };
}
