import { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import { defineAdapter, noExit, type SpelledExit } from "./define-adapter.ts";
import type { ProviderEntry, ProviderRefusal, ProviderRequest } from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { loginWord, secretText } from "./upstream-entry.ts";
import type { UsageQuery } from "./usage-source.ts";

const account = {
  username: loginWord,
  password: secretText,
  /** The key of its API, for the reconciliation of bytes. */
  apiKey: secretText.optional(),
};
type Account = z.infer<z.ZodObject<typeof account>>;

const HOST = "p.webshare.io";

const statsSchema = z.object({ bandwidth_total: z.int().nonnegative() });

const query: UsageQuery = {
  keyField: "apiKey",
  request(key, { from, until }) {
    const url = new URL("https://proxy.webshare.io/api/v2/stats/aggregate/");
    url.searchParams.set("timestamp__gte", new Date(from).toISOString());
    url.searchParams.set("timestamp__lte", new Date(until).toISOString());
    return { method: "GET", url: url.href, headers: { authorization: `Token ${key}` } };
  },
  read: (answer) => BigInt(statsSchema.parse(answer).bandwidth_total),
};

export const webshare = defineAdapter({
  kind: "webshare",
  label: "Webshare",
  tier: "residential",
  account,
  secrets: ["username", "password", "apiKey"],
  entries: { http: { host: HOST, port: 80 }, socks5: { host: HOST, port: 1_080 } },
  chooses: { country: "vendor", city: "vendor" },
  session: {
    id: { kind: "number", minimum: 1, maximum: 999_999_999 },
    lifetime: null,
    keepAliveMs: null,
    oneAddress: false,
    evidence: "vendor",
  },
  udp: false,
  notes: [
    "Cities need a residential plan, and have letters only.",
    "It takes no lifetime: ours ends the session.",
  ],
  sources: [
    "https://apidocs.webshare.io/proxy-connection",
    "https://apidocs.webshare.io/proxystats/aggregate",
  ],
  disputes: [],
  checkUrl: "https://ipv4.webshare.io/",
  usage: {
    covers: "bytes of the account, summed from whole hours, 90 days back",
    evidence: "vendor",
    source: "https://apidocs.webshare.io/proxystats/aggregate",
    query,
  },
  spell,
  refusal,
});

function spell(
  { username, password }: Account,
  { country, city }: SpelledExit,
  session: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  if (city !== undefined && !/^[a-z_]+$/.test(city)) {
    throw noExit("Webshare takes cities of letters only. Correct city.");
  }
  const parts = [username, country, city && `city_${city}`, session?.id ?? "rotate"];
  return { ...entry, username: parts.filter((part) => part !== undefined).join("-"), password };
}

function refusal({ status }: ProviderRefusal): ProxyErrorCode | undefined {
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (status === 504) return "connection_timeout";
  return undefined;
}
