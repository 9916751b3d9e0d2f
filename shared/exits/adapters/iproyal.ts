import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, pairs, type SpelledExit } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import { usState } from "./us-states.ts";

const account = { username: loginWord, password: secretText };
type Account = z.infer<z.ZodObject<typeof account>>;

const HOST = "geo.iproyal.com";

const regions: Readonly<Record<string, string>> = {
  af: "africa",
  as: "asia",
  eu: "europe",
  na: "northamerica",
  oc: "oceania",
  sa: "southamerica",
};

/** What is asked for stands behind the password, not behind the user name. */
export const iproyal = defineAdapter({
  kind: "iproyal",
  label: "IPRoyal",
  tier: "residential",
  account,
  secrets: ["username", "password"],
  entries: {
    http: { host: HOST, port: 12_321 },
    socks5: { host: HOST, port: 32_325 },
  },
  chooses: { country: "vendor", continent: "community", region: "vendor", city: "vendor" },
  session: {
    // Exactly eight.
    id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 8 },
    lifetime: { minimum: 1, maximum: 1440 },
    keepAliveMs: null,
    oneAddress: true,
    evidence: "vendor",
  },
  udp: false,
  notes: [
    "States are those of the United States.",
    "Names of several words are written as one: losangeles. Of regions only europe is printed by the provider.",
    "That killswitch-1 keeps it to one address was read in a survey of its page on rotation, not on the page itself.",
  ],
  sources: [
    "https://docs.iproyal.com/proxies/residential/proxy/location",
    "https://docs.iproyal.com/proxies/residential/proxy/rotation",
    "https://docs.iproyal.com/proxies/residential/proxy/making-requests/response-codes",
  ],
  disputes: [],
  checkUrl: null,
  usage: {
    covers: "the traffic that is left, not what was used in a span of time",
    evidence: "vendor",
    source: "https://docs.iproyal.com/proxies/residential/api",
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
  const { country, continent, region, city } = exit;
  const parts = pairs(
    "-",
    ["country", country],
    ["region", continent && regionOf(continent)],
    ["state", region && stateOf(country, region)],
    ["city", city && oneWord(city)],
    ["session", session?.id],
    ["lifetime", session && lifetimeOf(session.lifetimeMinutes)],
    // Without it a lost address is replaced and nobody is told.
    ["killswitch", session && session.mode !== "flex" ? 1 : undefined],
  );
  return { ...entry, username, password: [password, ...parts].join("_") };
}

/** The separator is `_`, so no name may hold one. */
function oneWord(name: string): string {
  return name.replaceAll("_", "");
}

/** One unit only: up to 59 minutes, or hours. A lifetime is rounded up: ours ends it in time. */
function lifetimeOf(minutes: number): string {
  return minutes <= 59 ? `${minutes}m` : `${Math.ceil(minutes / 60)}h`;
}

function regionOf(continent: string): string {
  const region = regions[continent];
  if (region) return region;
  throw noExit("IPRoyal has no such region. Leave cn out.");
}

function stateOf(country: string | undefined, region: string): string {
  const state = country === "us" ? usState(region) : undefined;
  if (state) return oneWord(state.name);
  throw noExit("IPRoyal chooses by the states of the United States only. Leave st out.");
}

function refusal({ status }: ProviderRefusal): ProxyErrorCode | undefined {
  if (status === 410) return "session_lost";
  if (status === 503) return "no_exit";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  // "An exit node was selected but could not establish a connection."
  if (status === 504) return "upstream_failed";
  return undefined;
}
