import { describe, expect, test } from "vitest";
import type { ExitSelector, ExitSession } from "../selector.ts";
import type { ProviderRequest } from "./provider-adapter.ts";
import { bindProvider, type ProviderKind, providerEntrySchema, providerKinds } from "./provider-adapters.ts";

/** One example as a provider prints it; only the placeholders for account and session were filled in. */
interface Example {
  readonly exit: ExitSelector;
  readonly session?: ExitSession;
  /** Fields of the entry besides the account. */
  readonly entry?: Record<string, unknown>;
  readonly printed: Partial<ProviderRequest>;
  /** Where it is printed; "derived" where a printed rule is applied to another place. */
  readonly source: string;
}

const flex = (id: string, lifetimeMinutes = 10): ExitSession => ({ id, lifetimeMinutes, mode: "flex" });
const oneip = (id: string): ExitSession => ({ id, lifetimeMinutes: 10, mode: "oneip" });

const oxylabsRequests = "developers.oxylabs.io residential-proxies/making-requests";
const oxylabsSessions = "developers.oxylabs.io residential-proxies/session-control";
const oxylabsPlaces = "developers.oxylabs.io residential-proxies/location-settings";
const brightGeo = "docs.brightdata.com api-reference/proxy/geolocation-targeting";
const brightRotate = "docs.brightdata.com api-reference/proxy/rotate_ips";
const decodoParameters = "help.decodo.com residential-proxy-advanced-parameters";
const iproyalPlace = "docs.iproyal.com residential/proxy/location";
const iproyalRotation = "docs.iproyal.com residential/proxy/rotation";
const soaxSticky = "helpcenter.soax.com 6723733-sticky-sessions";
const soaxIsp = "helpcenter.soax.com 7035059-session-control-for-isp-proxies";
const soaxRules = "developers.soax.com getting-started/authentication";
const webshareConnection = "apidocs.webshare.io proxy-connection";
const dataImpulseCity = "docs.dataimpulse.com proxies/parameters/city";
const dataImpulseSession = "docs.dataimpulse.com proxies/parameters/session-id";
const netnutSetup = "help.netnut.io residential-proxies/initial-setup";
const netnutParameters = "help.netnut.io residential-proxies/curl-request-parameters";

const brightLogin = "brd-customer-CUST-zone-ZONE";

const examples: Record<ProviderKind, { account: Record<string, unknown>; rows: readonly Example[] }> = {
  oxylabs: {
    account: { username: "USERNAME", password: "PASSWORD" },
    rows: [
      {
        exit: {},
        printed: { username: "customer-USERNAME", host: "pr.oxylabs.io", port: 7777 },
        source: oxylabsRequests,
      },
      { exit: { country: "us" }, printed: { username: "customer-USERNAME-cc-US" }, source: oxylabsPlaces },
      {
        exit: { country: "de" },
        session: flex("abcd1234", 7),
        printed: { username: "customer-USERNAME-cc-DE-sessid-abcd1234-sesstime-7" },
        source: oxylabsSessions,
      },
      {
        exit: { country: "us", city: "los_angeles" },
        printed: { username: "customer-USERNAME-cc-US-city-los_angeles" },
        source: oxylabsPlaces,
      },
      {
        exit: { country: "gb", city: "london" },
        printed: { username: "customer-USERNAME-cc-GB-city-london" },
        source: oxylabsRequests,
      },
      {
        exit: { country: "us", region: "california" },
        printed: { username: "customer-USERNAME-st-us_california" },
        source: `${oxylabsPlaces}/select-state`,
      },
      {
        exit: { country: "us", region: "california", city: "los_angeles" },
        printed: { username: "customer-USERNAME-st-us_california-city-los_angeles" },
        source: `${oxylabsPlaces}/select-state`,
      },
      {
        exit: { country: "us", region: "il", city: "springfield" },
        printed: { username: "customer-USERNAME-st-us_illinois-city-springfield" },
        source: `${oxylabsPlaces}/select-state, asked for by the state's code`,
      },
      {
        exit: { country: "us", postalCode: "90210" },
        printed: { username: "customer-USERNAME-cc-US-postalcode-90210" },
        source: `${oxylabsPlaces}/zip-postal-code`,
      },
      {
        exit: { asn: 21928 },
        session: flex("abcde12345"),
        printed: { username: "customer-USERNAME-ASN-21928-sessid-abcde12345-sesstime-10" },
        source: `${oxylabsPlaces}/asn-targeting, with the default lifetime said`,
      },
      {
        exit: { continent: "eu" },
        printed: { username: "customer-USERNAME-cn-EU" },
        source: `${oxylabsPlaces}/continent, derived`,
      },
      {
        exit: {},
        session: oneip("abcd1234"),
        printed: { username: "customer-USERNAME-sessid_oneip-abcd1234" },
        source: oxylabsSessions,
      },
      {
        exit: {},
        entry: { stickyPorts: true },
        session: flex("10001"),
        printed: { username: "customer-USERNAME", port: 10_001 },
        source: `${oxylabsSessions}/sticky-proxy-entry-nodes`,
      },
      {
        exit: { country: "us", city: "new_york" },
        entry: { username: undefined, password: undefined, allowListed: true },
        session: oneip("test123"),
        printed: { host: "cc-us-city-new_york-sessid_oneip-test123.bc.pr.oxylabs.io", port: 7777 },
        source: "developers.oxylabs.io whitelisting-ips/requests-with-whitelisted-ips, in mode oneip",
      },
    ],
  },
  brightdata: {
    account: { customer: "CUST", zone: "ZONE", password: "PASSWORD" },
    rows: [
      {
        exit: {},
        printed: { username: brightLogin, host: "brd.superproxy.io", port: 33_335 },
        source: brightGeo,
      },
      { exit: { country: "us" }, printed: { username: `${brightLogin}-country-us` }, source: brightGeo },
      {
        exit: { country: "us", city: "san_francisco" },
        printed: { username: `${brightLogin}-country-us-city-sanfrancisco` },
        source: brightGeo,
      },
      {
        exit: { country: "us", region: "new_york" },
        printed: { username: `${brightLogin}-country-us-state-ny` },
        source: brightGeo,
      },
      { exit: { asn: 56386 }, printed: { username: `${brightLogin}-asn-56386` }, source: brightGeo },
      {
        exit: { country: "us", postalCode: "12345" },
        printed: { username: `${brightLogin}-country-us-zip-12345` },
        source: `${brightGeo}, with the country`,
      },
      {
        exit: {},
        session: flex("mystring12345"),
        printed: { username: `${brightLogin}-session-mystring12345` },
        source: brightRotate,
      },
      {
        exit: {},
        session: oneip("mystring12345"),
        printed: { username: `${brightLogin}-session-mystring12345-const` },
        source: brightRotate,
      },
      {
        exit: { country: "it" },
        entry: { protocol: "socks5" },
        printed: { username: `${brightLogin}-country-it`, port: 22_228 },
        source: "docs.brightdata.com proxy-networks/socks5",
      },
    ],
  },
  decodo: {
    account: { username: "username", password: "PASSWORD" },
    rows: [
      {
        exit: {},
        printed: { username: "user-username", host: "gate.decodo.com", port: 7000 },
        source: decodoParameters,
      },
      {
        exit: { country: "it" },
        printed: { username: "user-username-country-it" },
        source: decodoParameters,
      },
      {
        exit: { country: "us", region: "california" },
        printed: { username: "user-username-country-us-state-us_california" },
        source: decodoParameters,
      },
      {
        exit: { country: "us", region: "texas", city: "austin" },
        session: flex("randomstring123", 30),
        printed: {
          username:
            "user-username-country-us-state-us_texas-city-austin-session-randomstring123-sessionduration-30",
        },
        source: decodoParameters,
      },
      {
        exit: { country: "us", postalCode: "10001" },
        session: flex("randomstring123", 30),
        printed: {
          username: "user-username-country-us-zip-10001-session-randomstring123-sessionduration-30",
        },
        source: decodoParameters,
      },
      {
        exit: {},
        session: flex("example1", 90),
        printed: { username: "user-username-session-example1-sessionduration-90" },
        source: "help.decodo.com residential-proxy-custom-sticky-sessions",
      },
    ],
  },
  iproyal: {
    account: { username: "username123", password: "password321" },
    rows: [
      {
        exit: {},
        printed: { username: "username123", password: "password321", host: "geo.iproyal.com", port: 12_321 },
        source: iproyalRotation,
      },
      { exit: { continent: "eu" }, printed: { password: "password321_region-europe" }, source: iproyalPlace },
      {
        exit: { country: "de", city: "berlin" },
        printed: { password: "password321_country-de_city-berlin" },
        source: iproyalPlace,
      },
      {
        exit: { country: "us", region: "iowa" },
        printed: { password: "password321_country-us_state-iowa" },
        source: iproyalPlace,
      },
      {
        exit: { country: "br" },
        session: flex("sgn34f3e", 10),
        printed: { password: "password321_country-br_session-sgn34f3e_lifetime-10m" },
        source: iproyalRotation,
      },
      {
        exit: {},
        session: oneip("sgn34f3e"),
        printed: { password: "password321_session-sgn34f3e_lifetime-10m_killswitch-1" },
        source: `${iproyalRotation}, derived`,
      },
      {
        exit: {},
        session: flex("sgn34f3e", 90),
        printed: { password: "password321_session-sgn34f3e_lifetime-2h" },
        source: `${iproyalRotation}, one unit only, rounded up`,
      },
    ],
  },
  soax: {
    account: { packageId: "11111", password: "KEY" },
    rows: [
      {
        exit: { country: "us" },
        session: flex("rand123456", 60),
        printed: {
          username: "package-11111-country-us-sessionid-rand123456-sessionlength-3600",
          host: "proxy.soax.com",
          port: 5000,
        },
        source: soaxIsp,
      },
      {
        exit: { country: "us", city: "new_york" },
        printed: { username: "package-11111-country-us-city-new+york" },
        source: soaxSticky,
      },
      {
        exit: { country: "gb", region: "england" },
        printed: { username: "package-11111-country-gb-region-england" },
        source: soaxSticky,
      },
    ],
  },
  "soax-rules": {
    account: { password: "pk_abc123" },
    rows: [
      {
        exit: { country: "us" },
        printed: { username: "country-us", password: "pk_abc123", host: "proxy.soax.com", port: 1337 },
        source: soaxRules,
      },
      {
        exit: {},
        printed: { username: "country-any" },
        source: "developers.soax.com troubleshooting/error-codes",
      },
      {
        exit: { country: "us", city: "los_angeles" },
        printed: { username: "country-us-city-los_angeles" },
        source: "developers.soax.com troubleshooting/error-codes",
      },
      {
        exit: { country: "us" },
        session: oneip("job42"),
        printed: { username: "country-us-session-job42-bind-node-onerror-fail" },
        source: "developers.soax.com proxies/residential, derived",
      },
    ],
  },
  webshare: {
    account: { username: "myuser", password: "password" },
    rows: [
      {
        exit: { country: "us" },
        session: flex("1234"),
        printed: { username: "myuser-us-1234", host: "p.webshare.io", port: 80 },
        source: webshareConnection,
      },
      { exit: { country: "us" }, printed: { username: "myuser-us-rotate" }, source: webshareConnection },
      {
        exit: { country: "us", city: "los_angeles" },
        printed: { username: "myuser-us-city_los_angeles-rotate" },
        source: `${webshareConnection}, with rotate`,
      },
    ],
  },
  dataimpulse: {
    account: { username: "login", password: "password" },
    rows: [
      {
        exit: {},
        printed: { username: "login", host: "gw.dataimpulse.com", port: 823 },
        source: dataImpulseCity,
      },
      {
        exit: { country: "de", city: "berlin" },
        printed: { username: "login__cr.de;city.berlin" },
        source: dataImpulseCity,
      },
      {
        exit: { country: "au" },
        session: flex("123", 30),
        printed: { username: "login__cr.au;sessid.123;sessttl.30" },
        source: `${dataImpulseSession}; sessttl from community sources`,
      },
      { exit: {}, entry: { protocol: "socks5" }, printed: { port: 824 }, source: dataImpulseSession },
    ],
  },
  netnut: {
    account: { username: "USERNAME", password: "PASSWORD" },
    rows: [
      {
        exit: {},
        printed: { username: "USERNAME-res-any", host: "gw.netnut.net", port: 5959 },
        source: netnutSetup,
      },
      { exit: { country: "nl" }, printed: { username: "USERNAME-res-nl" }, source: netnutSetup },
      {
        exit: { country: "nl", city: "amsterdam" },
        printed: { username: "USERNAME-res_sc-nl_amsterdam" },
        source: netnutSetup,
      },
      {
        exit: { country: "us", region: "alabama", city: "birmingham" },
        printed: { username: "USERNAME-res_sc-us_alabama_birmingham" },
        source: netnutParameters,
      },
      {
        exit: { country: "gb" },
        printed: { username: "USERNAME-res-uk" },
        source: `${netnutSetup}: UK, not GB`,
      },
      {
        exit: {},
        session: flex("947045456"),
        printed: { username: "USERNAME-res-any-sid-947045456" },
        source: netnutParameters,
      },
    ],
  },
  generic: {
    account: {
      host: "proxy.example",
      port: 8080,
      protocol: "http",
      name: "ours",
      username: "USER",
      password: "PASS",
    },
    rows: [
      {
        exit: {},
        printed: { username: "USER", password: "PASS", host: "proxy.example", port: 8080 },
        source: "none: the operator's own",
      },
      {
        exit: { country: "us", city: "newark" },
        entry: {
          template: {
            username: "{username}__cr.{country}[;city.{city}][;sessid.{session}]",
            password: "{password}",
          },
        },
        session: flex("abc"),
        printed: { username: "USER__cr.us;city.newark;sessid.abc" },
        source: "none: the operator's own",
      },
      {
        exit: { country: "us" },
        entry: { template: { username: "{username}", password: "{password}_c-{COUNTRY}" } },
        printed: { username: "USER", password: "PASS_c-US" },
        source: "none: the operator's own",
      },
    ],
  },
};

describe.each(providerKinds)("%s spells its printed examples", (kind) => {
  const { account, rows } = examples[kind];

  test.each(rows.map((row) => [row.source, row] as const))("%s", (_, { exit, session, entry, printed }) => {
    const parsed = providerEntrySchema.parse({ kind, ...account, ...entry });
    expect(bindProvider(parsed).ask(exit, session)).toMatchObject(printed);
  });
});
