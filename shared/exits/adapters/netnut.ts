import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, type SpelledExit, sameDoor } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import { usState } from "./us-states.ts";

const account = { username: loginWord, password: secretText };
type Account = z.infer<z.ZodObject<typeof account>>;

export const netnut = defineAdapter({
  kind: "netnut",
  label: "NetNut",
  tier: "residential",
  account,
  secrets: ["username", "password"],
  entries: sameDoor("gw.netnut.net", 5_959),
  chooses: { country: "vendor", region: "vendor", city: "vendor" },
  session: {
    id: { kind: "number", minimum: 10_000, maximum: 999_999_999 },
    lifetime: null,
    keepAliveMs: null,
    oneAddress: false,
    evidence: "vendor",
  },
  udp: false,
  notes: [
    "A state of the United States is chosen together with a city in it, not alone.",
    "It takes no lifetime: ours ends the session.",
    "How names of several words are written is not printed: they are written as one.",
  ],
  sources: [
    "https://help.netnut.io/netnut-documentation/netnut-proxies/residential-proxies/curl-request-parameters",
    "https://help.netnut.io/netnut-documentation/netnut-proxies/residential-proxies/initial-setup",
    "https://help.netnut.io/netnut-documentation/netnut-proxies/residential-proxies/error-messages",
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
  const sticky = session ? `-sid-${session.id}` : "";
  return { ...entry, username: `${username}-${placeOf(exit)}${sticky}`, password };
}

function placeOf({ country, region, city }: SpelledExit): string {
  if (country === undefined) return "res-any";
  // NetNut writes the United Kingdom as people do, not as ISO 3166 does.
  const place = country === "gb" ? "uk" : country;
  if (city === undefined) {
    if (region !== undefined) throw noExit("NetNut chooses by a state only with a city in it. Add city.");
    return `res-${place}`;
  }
  const state = region === undefined ? [] : [stateOf(country, region)];
  return `res_sc-${[place, ...state, city].map((name) => name.replaceAll("_", "")).join("_")}`;
}

function stateOf(country: string, region: string): string {
  const state = country === "us" ? usState(region) : undefined;
  if (state) return state.name;
  throw noExit("NetNut chooses by the states of the United States only. Leave st out.");
}

function refusal({ status }: ProviderRefusal): ProxyErrorCode | undefined {
  if (status === 490) return "no_exit";
  // "Assigned IP is no longer available."
  if (status === 502) return "session_lost";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (status === 503) return "connection_refused";
  if (status === 522) return "connection_timeout";
  return undefined;
}
