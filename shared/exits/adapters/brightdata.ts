import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, pairs, type SpelledExit } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import { usState } from "./us-states.ts";

const account = {
  /** The account's id, as in `hl_1a2b3c4d`. */
  customer: loginWord,
  zone: loginWord,
  /** The zone's password. */
  password: secretText,
};
type Account = z.infer<z.ZodObject<typeof account>>;

const HOST = "brd.superproxy.io";

export const brightdata = defineAdapter({
  kind: "brightdata",
  label: "Bright Data",
  tier: "residential",
  account,
  secrets: ["customer", "zone", "password"],
  entries: {
    http: { host: HOST, port: 33_335 },
    https: { host: HOST, port: 33_335 },
    socks5: { host: HOST, port: 22_228 },
  },
  chooses: { country: "vendor", region: "vendor", city: "vendor", postalCode: "vendor", asn: "vendor" },
  session: {
    id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
    lifetime: null,
    // Its pages say 5 minutes of idleness, 7, and advise a request every 30 s.
    keepAliveMs: 30_000,
    oneAddress: true,
    evidence: "vendor",
  },
  udp: false,
  notes: [
    "It takes no lifetime: a session lives for as long as it is used, and ours ends it.",
    "States are those of the United States; a state and a city exclude each other.",
    "Residential and mobile zones reach by SOCKS5 only names, and only a list of ports that 443 is not on: use http.",
    "Newer pages recommend port 44445 instead of 33335.",
  ],
  sources: [
    "https://docs.brightdata.com/proxy-networks/config-options",
    "https://docs.brightdata.com/api-reference/proxy/geolocation-targeting",
    "https://docs.brightdata.com/api-reference/proxy/rotate_ips",
    "https://docs.brightdata.com/api-reference/proxy/keep_same_peer_in_session",
    "https://docs.brightdata.com/proxy-networks/socks5",
    "https://docs.brightdata.com/proxy-networks/errorCatalog",
  ],
  disputes: [
    {
      option: "port",
      values: [33_335, 44_445],
      question: "Which port of the proxy answers?",
      probe: { kind: "exit", exit: {} },
    },
  ],
  checkUrl: "https://geo.brdtest.com/mygeo.json",
  usage: null,
  spell,
  refusal,
});

function spell(
  { customer, zone, password }: Account,
  exit: SpelledExit,
  session: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const { country, region, city, postalCode, asn } = exit;
  if (region !== undefined && city !== undefined) {
    throw noExit("Bright Data chooses by a state or by a city, not by both. Leave st or city out.");
  }
  const parts = pairs(
    "-",
    ["brd-customer", customer],
    ["zone", zone],
    ["country", country],
    ["state", region && stateOf(country, region)],
    ["city", city?.replaceAll("_", "")],
    ["zip", postalCode],
    ["asn", asn],
    ["session", session?.id],
  );
  // Without `const` a lost address is replaced and nobody is told.
  if (session && session.mode !== "flex") parts.push("const");
  return { ...entry, username: parts.join("-"), password };
}

function stateOf(country: string | undefined, region: string): string {
  const state = country === "us" ? usState(region) : undefined;
  if (state) return state.code;
  throw noExit("Bright Data chooses by the states of the United States only. Leave st out.");
}

/** Its reasons: `Proxy-Status` since October 2025, and `x-brd-*` before. */
function refusal({ status, reason, headers }: ProviderRefusal): ProxyErrorCode | undefined {
  const said = ["proxy-status", "x-brd-err-code", "x-brd-err-msg", "x-brd-error"].map((name) =>
    headers.get(name),
  );
  const words = [reason, ...said].join(" ").toLowerCase();
  // What `const` is answered with when the address is gone.
  if (words.includes("failed to establish connection with peer")) return "session_lost";
  if (/no[ _]peers?\b/.test(words)) return "no_exit";
  if (status === 407 || words.includes("auth failed")) return "upstream_denied";
  if (/policy[_-]\d+/.test(words) || status === 403) return "forbidden_target";
  if (status === 504) return "connection_timeout";
  return undefined;
}
