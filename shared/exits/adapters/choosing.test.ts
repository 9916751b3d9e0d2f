import { describe, expect, test } from "vitest";
import { ProxyError } from "../../errors.ts";
import type { ExitSelector, ExitSession } from "../selector.ts";
import { genericLogin } from "./generic.ts";
import { oxylabsLogin } from "./oxylabs.ts";
import {
  bindProvider,
  type ProviderKind,
  providerAdapters,
  providerEntrySchema,
} from "./provider-adapters.ts";

const accounts: Record<ProviderKind, Record<string, unknown>> = {
  oxylabs: { username: "USER", password: "PASS" },
  brightdata: { customer: "USER", zone: "ZONE", password: "PASS" },
  decodo: { username: "USER", password: "PASS" },
  iproyal: { username: "USER", password: "PASS" },
  soax: { packageId: "1", password: "PASS" },
  "soax-rules": { password: "PASS" },
  webshare: { username: "USER", password: "PASS" },
  dataimpulse: { username: "USER", password: "PASS" },
  netnut: { username: "USER", password: "PASS" },
  generic: { name: "ours", host: "proxy.example", port: 1080, protocol: "socks5", username: "USER" },
};

function bound(kind: ProviderKind, fields: Record<string, unknown> = {}) {
  return bindProvider(providerEntrySchema.parse({ kind, ...accounts[kind], ...fields }));
}

const session = (lifetimeMinutes: number, mode: ExitSession["mode"] = "flex"): ExitSession => ({
  id: "12345678",
  lifetimeMinutes,
  mode,
});

describe("what a provider cannot choose by is refused by name, never ignored", () => {
  test.each<[ProviderKind, ExitSelector, string]>([
    ["oxylabs", { country: "us", asn: 1 }, "Leave cc or asn out"],
    ["oxylabs", { country: "de", region: "bavaria" }, "states of the United States"],
    ["oxylabs", { country: "de", postalCode: "10115" }, "postal codes of the United States"],
    ["oxylabs", { ispTier: "premium" }, "Leave isp out"],
    ["brightdata", { continent: "eu" }, "does not choose exits by continent"],
    ["brightdata", { country: "de", region: "bavaria" }, "states of the United States"],
    ["brightdata", { country: "us", region: "texas", city: "austin" }, "Leave st or city out"],
    ["decodo", { country: "us", city: "austin", asn: 1 }, "Leave city or asn out"],
    ["iproyal", { asn: 1 }, "does not choose exits by network number"],
    ["iproyal", { country: "us", postalCode: "10001" }, "does not choose exits by postal code"],
    ["iproyal", { continent: "an" }, "Leave cn out"],
    ["soax", { country: "us", asn: 1 }, "does not choose exits by network number"],
    ["webshare", { country: "us", region: "texas" }, "does not choose exits by state"],
    ["webshare", { country: "us", city: "area_51" }, "letters only"],
    ["dataimpulse", { asn: 1 }, "Add cc"],
    ["netnut", { country: "us", region: "texas" }, "Add city"],
    ["generic", { country: "us" }, "does not choose exits by country"],
    ["oxylabs", { countries: ["us", "de"] }, "one country at a time"],
  ])("%s %j", (kind, exit, words) => {
    const ask = () => bound(kind).ask(exit, undefined);
    expect(ask).toThrow(ProxyError);
    expect(ask).toThrow(words);
  });

  test("one address is promised only by those who keep the promise", () => {
    for (const kind of Object.keys(accounts) as ProviderKind[]) {
      const provider = bound(kind);
      for (const mode of ["strict", "oneip"] as const) {
        const ask = () => provider.ask({}, session(10, mode));
        if (provider.session?.oneAddress) expect(ask).not.toThrow();
        else expect(ask).toThrow(`cannot promise one address, as mode ${mode} asks`);
      }
    }
  });

  test("sticky ports, a fixed address and a tier change what can be promised", () => {
    expect(() => bound("oxylabs", { stickyPorts: true }).ask({}, session(10, "oneip"))).toThrow(
      "Use mode flex",
    );
    expect(() => bound("generic", { fixedAddress: true }).ask({}, session(10, "oneip"))).not.toThrow();
    expect(() => bound("oxylabs", { tier: "premium" }).ask({ ispTier: "premium" }, undefined)).not.toThrow();
  });

  test("an exit without a template is where its one place is", () => {
    const office = bound("generic", { places: [{ country: "nl", city: "utrecht", label: "Office" }] });
    expect(() => office.ask({ country: "nl" }, undefined)).not.toThrow();
    expect(() => office.ask({ country: "nl", city: "utrecht" }, undefined)).not.toThrow();
    expect(() => office.ask({ country: "de" }, undefined)).toThrow("is not there");
    expect(() => office.ask({ country: "nl", asn: 1 }, undefined)).toThrow("network number");
  });
});

describe("lifetimes are brought to what the provider takes", () => {
  test.each<[ProviderKind, number, string]>([
    ["oxylabs", 1440, "sesstime-1440"],
    ["soax", 600, "sessionlength-3600"],
    ["iproyal", 59, "lifetime-59m"],
    ["iproyal", 61, "lifetime-2h"],
    ["iproyal", 1440, "lifetime-24h"],
  ])("%s %d", (kind, minutes, written) => {
    const { username, password } = bound(kind).ask({}, session(minutes));
    expect(`${username} ${password}`).toContain(written);
  });
});

test("nothing is cut: what would be too long is refused", () => {
  const long = "x".repeat(64);
  const template = { username: "{username}-{city}-{city}-{city}-{city}-{country}", password: "p" };
  expect(() => bound("generic", { template }).ask({ country: "us", city: long }, undefined)).toThrow(
    "255 bytes",
  );
  expect(() => bound("oxylabs", { allowListed: true }).ask({ country: "us", city: long }, undefined)).toThrow(
    "too long for Oxylabs' host names",
  );
});

test("no secret of any account is shown", () => {
  for (const [kind, adapter] of Object.entries(providerAdapters)) {
    const shown = bound(kind as ProviderKind).show({}, session(10));
    expect(JSON.stringify(shown)).not.toMatch(/USER|PASS|ZONE/);
    expect(adapter.sources.length > 0 || kind === "generic").toBe(true);
  }
});

test("an account with a separator in it is refused: it would be read as another login", () => {
  for (const kind of ["oxylabs", "decodo", "webshare", "dataimpulse", "netnut"] as const) {
    for (const username of ["us-er", "us;er", "us:er", "us er", ""]) {
      expect(providerEntrySchema.safeParse({ kind, username, password: "p" }).success).toBe(false);
    }
  }
});

test("a template with an unknown placeholder, and a misspelt field, are refused when the file is read", () => {
  const template = { username: "{username}-{contry}", password: "{password}" };
  expect(providerEntrySchema.safeParse({ kind: "generic", ...accounts.generic, template }).success).toBe(
    false,
  );
  expect(providerEntrySchema.safeParse({ kind: "oxylabs", ...accounts.oxylabs, pasword: "x" }).success).toBe(
    false,
  );
});

test("the logins that the companion uses alone are the same", () => {
  const account = { username: "USER", password: "PASS" };
  expect(oxylabsLogin(account, { country: "de" }, session(5))).toEqual({
    username: "customer-USER-cc-DE-sessid-12345678-sesstime-5",
    password: "PASS",
  });
  const template = { username: "{username}[-{country}]", password: "{password}" };
  expect(genericLogin(template, account, { country: "de" }, undefined).username).toBe("USER-de");
  expect(() => genericLogin(template, account, { asn: 1 }, undefined)).toThrow(/asn/);
});
