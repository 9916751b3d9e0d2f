import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatGatewayUsername, type GatewayUsername, parseGatewayUsername } from "./gateway-username.ts";

const session = (id: string, lifetimeMinutes = 10, mode: "flex" | "strict" | "oneip" = "flex") => ({
  id,
  lifetimeMinutes,
  mode,
});

describe("our own spelling", () => {
  test.each<[string, Partial<GatewayUsername>]>([
    ["atl_k3x9m2qp", {}],
    ["atl_k3x9m2qp-cc-DE", { exit: { country: "de" } }],
    ["atl_k3x9m2qp-city-New_York-cc-us", { exit: { country: "us", city: "new_york" } }],
    ["atl_k3x9m2qp-cc-us-st-california", { exit: { country: "us", region: "california" } }],
    [
      "atl_k3x9m2qp-cc-us-zip-90210-sid-Ab_1",
      { exit: { country: "us", postalCode: "90210" }, session: session("Ab_1") },
    ],
    [
      "atl_k3x9m2qp-asn-3320-isp-premium-pool-blue",
      { exit: { asn: 3320, ispTier: "premium", pool: "blue" } },
    ],
    ["atl_k3x9m2qp-cc-us+DE+jp", { exit: { countries: ["us", "de", "jp"] } }],
    ["atl_k3x9m2qp-cn-EU", { exit: { continent: "eu" } }],
    ["atl_k3x9m2qp-sid-x-ttl-30-mode-oneip", { session: session("x", 30, "oneip") }],
  ])("%s", (text, wanted) => {
    expect(parseGatewayUsername(text)).toEqual({
      credential: "atl_k3x9m2qp",
      exit: {},
      session: undefined,
      ...wanted,
    });
  });

  test.each([
    ["", "credential"],
    ["Ä-cc-de", "credential"],
    ["atl_a-country-de", '"country" is not a key of the user name. Did you mean cc?'],
    ["atl_a-sessid-x", '"sessid" is not a key of the user name. Did you mean sid?'],
    ["atl_a-ciyt-berlin", "Did you mean city?"],
    ["atl_a-tll-5", "Did you mean ttl?"],
    ["atl_a-xyzzy-5", '"xyzzy" is not a key of the user name. The keys are cc, cn, st,'],
    ["atl_a-cc", '"cc" has no value'],
    ["atl_a-cc-", '"cc" has no value'],
    ["atl_a-cc-de-cc-us", '"cc" is there twice'],
    ["atl_a-cc-germany", '"cc-germany" cannot be read'],
    ["atl_a-cc-de+", '"cc-de+" cannot be read'],
    ["atl_a-cc-de+germany", '"cc-de+germany" cannot be read'],
    ["atl_a-cc-de+de", '"cc-de+de" cannot be read'],
    ["atl_a-cc-de+us-city-berlin", '"city" needs one country, not several'],
    ["atl_a-cn-europe", '"cn-europe" cannot be read'],
    ["atl_a-cc-de-cn-eu", "exclude each other"],
    ["atl_a-cn-eu-city-berlin", '"city" needs a country'],
    ["atl_a-city-berlin", '"city" needs a country'],
    ["atl_a-cc-us-zip-90210-city-los_angeles", "postal code and a city exclude each other"],
    ["atl_a-asn-0", '"asn-0" cannot be read'],
    ["atl_a-asn-4294967296", '"asn-4294967296" cannot be read'],
    ["atl_a-ttl-5", '"ttl" needs a session'],
    ["atl_a-mode-flex", '"mode" needs a session'],
    ["atl_a-sid-a-ttl-0", '"ttl-0" cannot be read'],
    ["atl_a-sid-a-ttl-1441", '"ttl-1441" cannot be read'],
    ["atl_a-sid-a-mode-sticky", '"mode-sticky" cannot be read'],
    [`atl_a-sid-${"x".repeat(26)}`, "1 to 25 letters"],
    [`atl_a-cc-de-city-${"x".repeat(250)}`, "longer than 255 bytes"],
  ])("%j is refused by name", (text, words) => {
    const parsed = parseGatewayUsername(text);
    expect("problem" in parsed && parsed.problem).toContain(words);
  });
});

/** As Oxylabs prints them, with its USERNAME in the credential's place. */
describe("the spelling of Oxylabs", () => {
  test.each<[string, Partial<GatewayUsername>]>([
    ["customer-USERNAME", {}],
    ["customer-USERNAME-cc-US", { exit: { country: "us" } }],
    ["customer-USERNAME-cc-US-city-los_angeles", { exit: { country: "us", city: "los_angeles" } }],
    ["customer-USERNAME-st-us_california", { exit: { country: "us", region: "california" } }],
    ["customer-USERNAME-cc-us-st-us_new_york", { exit: { country: "us", region: "new_york" } }],
    ["customer-USERNAME-cc-US-postalcode-90210", { exit: { country: "us", postalCode: "90210" } }],
    ["customer-USERNAME-ASN-3320", { exit: { asn: 3320 } }],
    ["customer-USERNAME-cc-US-sessid-abc12345", { exit: { country: "us" }, session: session("abc12345") }],
    [
      "customer-USERNAME-cc-US-city-chicago-sessid-a-sesstime-5",
      { exit: { country: "us", city: "chicago" }, session: session("a", 5) },
    ],
    ["customer-USERNAME-sessid_oneip-abc", { session: session("abc", 10, "oneip") }],
    ["customer-USERNAME-sessid_oneip-abc-sesstime-30", { session: session("abc", 30, "oneip") }],
    ["customer-USERNAME-cn-EU", { exit: { continent: "eu" } }],
    [
      "CUSTOMER-USERNAME-st-us_new_york-city-new_york",
      { exit: { country: "us", region: "new_york", city: "new_york" } },
    ],
  ])("%s", (text, wanted) => {
    expect(parseGatewayUsername(text)).toEqual({
      credential: "username",
      exit: {},
      session: undefined,
      ...wanted,
    });
  });

  test.each([
    ["customer-u-sid-a", '"sid" is not a key'],
    ["customer-u-ttl-5", '"ttl" is not a key'],
    ["customer-u-sesstime-5", '"sesstime" needs a session'],
    ["customer-u-sessid-a-sessid_oneip-b", "exclude each other"],
    ["customer-", "credential"],
  ])("%j is refused by name", (text, words) => {
    const parsed = parseGatewayUsername(text);
    expect("problem" in parsed && parsed.problem).toContain(words);
  });
});

const word = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
const lower = "abcdefghijklmnopqrstuvwxyz";
const place = word(`${lower}0123456789_`, 1, 12);

const usernames: fc.Arbitrary<GatewayUsername> = fc
  .record({
    credential: word(`${lower}0123456789`, 8, 8).map((name) => `atl_${name}`),
    place: fc.oneof(
      fc.constant({}),
      fc.record({ country: word(lower, 2, 2) }),
      fc.record({ countries: fc.uniqueArray(word(lower, 2, 2), { minLength: 2, maxLength: 20 }) }),
      fc.record({ continent: fc.constantFrom("af" as const, "eu" as const) }),
    ),
    narrow: fc.oneof(
      fc.constant({}),
      fc.record({ region: place, city: place }, { requiredKeys: [] }),
      fc.record({ region: place, postalCode: word(`${lower}0123456789`, 3, 10) }, { requiredKeys: [] }),
    ),
    wide: fc.record(
      { asn: fc.integer({ min: 1, max: 4_294_967_295 }), ispTier: place, pool: place },
      { requiredKeys: [] },
    ),
    session: fc.option(
      fc.record({
        id: word(`${lower}${lower.toUpperCase()}0123456789_`, 1, 25),
        lifetimeMinutes: fc.integer({ min: 1, max: 1440 }),
        mode: fc.constantFrom("flex" as const, "strict" as const, "oneip" as const),
      }),
      { nil: undefined },
    ),
  })
  .map(({ credential, place, narrow, wide, session }) => ({
    credential,
    exit: { ...wide, ...place, ...("country" in place && narrow) },
    session,
  }))
  .filter((username) => formatGatewayUsername(username).length <= 255);

test("what is formatted reads back as it was", () => {
  fc.assert(
    fc.property(usernames, (username) => {
      expect(parseGatewayUsername(formatGatewayUsername(username))).toEqual(username);
    }),
  );
});

test("no text makes it throw, and every refusal is one printable line that says what to do", () => {
  const near = fc
    .array(fc.oneof(fc.constantFrom("customer", "atl_a", "cc", "sid", "ttl", "us", "5", ""), fc.string()))
    .map((parts) => parts.join("-"));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), near), (text) => {
      const parsed = parseGatewayUsername(text);
      if ("problem" in parsed) expect(parsed.problem).toMatch(/^[\x20-\x7e]+\.$/);
    }),
  );
});

test.each([
  ["atl_a-cc-de-contry-us", "contry"],
  ["atl_a-cc-germany-sid-x", "cc-germany"],
  ["atl_a-cc-de-ttl-5", "ttl-5"],
  ["atl_a-cc-de-city", "city"],
  ["customer-u-cc-US-cc-DE", "cc-DE"],
  ["Ä-cc-de", "Ä"],
])("the problem of %s is with the part %s", (text, part) => {
  const parsed = parseGatewayUsername(text);
  expect("problem" in parsed && text.slice(parsed.start, parsed.end)).toBe(part);
});
