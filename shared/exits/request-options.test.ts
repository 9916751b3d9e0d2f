import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatGatewayUsername, type GatewayUsername, parseGatewayUsername } from "./gateway-username.ts";
import { isOptionField, mergeOptions, readRequestOptions } from "./request-options.ts";

function merged(username: string, headers: Record<string, string>): string {
  const parsed = parseGatewayUsername(username);
  if ("problem" in parsed) throw new Error(parsed.problem);
  const options = readRequestOptions(fieldsOf(headers));
  if (options === undefined) return formatGatewayUsername(parsed);
  if ("problem" in options) return options.problem;
  const together = mergeOptions(parsed, options);
  return "problem" in together ? together.problem : formatGatewayUsername(together);
}

function fieldsOf(headers: Record<string, string>) {
  return Object.entries(headers).map(([name, value]) => ({ lower: name.toLowerCase(), value }));
}

describe("options by header", () => {
  test.each<[string, Record<string, string>, string]>([
    ["atl_a", { "X-Atlantic-Country": "DE" }, "atl_a-cc-de"],
    ["atl_a", { "X-Atlantic-Country": "us, DE" }, "atl_a-cc-us+de"],
    ["atl_a", { "X-Atlantic-Continent": "eu" }, "atl_a-cn-eu"],
    ["atl_a-cc-us", { "X-Atlantic-City": "New_York" }, "atl_a-cc-us-city-new_york"],
    ["atl_a", { "X-Atlantic-Country": "us", "X-Atlantic-Region": "texas" }, "atl_a-cc-us-st-texas"],
    ["atl_a-cc-us", { "X-Atlantic-Zip": "90210" }, "atl_a-cc-us-zip-90210"],
    ["atl_a", { "X-Atlantic-Asn": "3320", "X-Atlantic-Isp": "mobile" }, "atl_a-asn-3320-isp-mobile"],
    ["atl_a", { "X-Atlantic-Session": "Ab_1" }, "atl_a-sid-Ab_1"],
    ["atl_a-sid-x", { "X-Atlantic-Session-Minutes": "30" }, "atl_a-sid-x-ttl-30"],
    ["atl_a-sid-x", { "X-Atlantic-Mode": "OneIP" }, "atl_a-sid-x-mode-oneip"],
    ["atl_a", { "X-Atlantic-Pool": "blue" }, "atl_a-pool-blue"],
    ["atl_a-cc-de", { "X-Atlantic-Country": "DE" }, "atl_a-cc-de"],
    ["atl_a-cc-de+us", { "X-Atlantic-Country": "us,de" }, "atl_a-cc-de+us"],
    ["customer-a-cc-US", { "X-Atlantic-Session": "x" }, "a-cc-us-sid-x"],
    ["customer-a-sessid_oneip-x", { "X-Atlantic-Session": "x" }, "a-sid-x-mode-oneip"],
    ["atl_a-cc-de", { Accept: "*/*" }, "atl_a-cc-de"],
  ])("%s with %j", (username, headers, wanted) => {
    expect(merged(username, headers)).toBe(wanted);
  });

  test.each<[string, Record<string, string>, string]>([
    ["atl_a-cc-de", { "X-Atlantic-Country": "us" }, 'X-Atlantic-Country and "cc" of the user name differ'],
    ["atl_a-sid-x", { "X-Atlantic-Session": "X" }, 'X-Atlantic-Session and "sid" of the user name differ'],
    ["atl_a-sid-x-ttl-10", { "X-Atlantic-Session-Minutes": "30" }, '"ttl" of the user name differ'],
    ["atl_a-sid-x-mode-flex", { "X-Atlantic-Mode": "strict" }, '"mode" of the user name differ'],
    ["customer-a-sessid_oneip-x", { "X-Atlantic-Mode": "flex" }, '"sessid_oneip" of the user name differ'],
    ["customer-a-sessid_oneip-x", { "X-Atlantic-Session": "y" }, '"sessid_oneip" of the user name differ'],
    ["atl_a", { "X-Atlantic-City": "berlin" }, '"X-Atlantic-City" needs a country'],
    ["atl_a-cc-us-city-austin", { "X-Atlantic-Zip": "90210" }, "exclude each other"],
    ["atl_a-cc-us", { "X-Atlantic-Continent": "eu" }, "exclude each other"],
    ["atl_a", { "X-Atlantic-Session-Minutes": "5" }, "needs a session"],
    ["atl_a", { "X-Atlantic-Country": "germany" }, '"X-Atlantic-Country: germany" cannot be read'],
    ["atl_a", { "X-Atlantic-Country": "" }, "has no value"],
    ["atl_a", { "X-Atlantic-Contry": "de" }, "There is no field x-atlantic-contry"],
  ])("%s with %j is refused by name", (username, headers, words) => {
    expect(merged(username, headers)).toContain(words);
  });

  test("one field twice is refused", () => {
    const field = { lower: "x-atlantic-country", value: "de" };
    expect(readRequestOptions([field, field])).toMatchObject({ problem: expect.stringContaining("twice") });
  });

  test("a request without options costs nothing and has none", () => {
    expect(
      readRequestOptions(fieldsOf({ Host: "a.test", "X-Atlantis": "1", "X-Atlantic-Request": "1" })),
    ).toBeUndefined();
    expect([isOptionField("x-atlantic-country"), isOptionField("x-atlantis"), isOptionField("host")]).toEqual(
      [true, false, false],
    );
  });

  test("whatever is said by header means the same as said by name", () => {
    const wish = fc.record(
      {
        country: fc.constantFrom("us", "de"),
        asn: fc.integer({ min: 1, max: 4_294_967_295 }),
        pool: fc.constantFrom("blue", "red_1"),
        session: fc.constantFrom("a", "B_2"),
      },
      { requiredKeys: [] },
    );
    const headers = {
      country: "X-Atlantic-Country",
      asn: "X-Atlantic-Asn",
      pool: "X-Atlantic-Pool",
      session: "X-Atlantic-Session",
    };
    fc.assert(
      fc.property(wish, ({ session, ...exit }) => {
        const username: GatewayUsername = {
          credential: "atl_a",
          exit,
          session: session === undefined ? undefined : { id: session, lifetimeMinutes: 10, mode: "flex" },
        };
        const said = { ...exit, ...(session !== undefined && { session }) };
        const asHeaders = Object.fromEntries(
          Object.entries(said).map(([part, value]) => [headers[part as keyof typeof headers], `${value}`]),
        );
        expect(merged("atl_a", asHeaders)).toBe(formatGatewayUsername(username));
      }),
    );
  });

  test("no field's value makes it throw", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("country", "asn", "session", "mode", "zip"),
        fc.string({ unit: "binary" }),
        (part, value) => {
          expect(merged("atl_a-cc-us-sid-x", { [`X-Atlantic-${part}`]: value })).toMatch(/./);
        },
      ),
    );
  });
});
