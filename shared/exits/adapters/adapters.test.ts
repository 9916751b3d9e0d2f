import { describe, expect, test } from "vitest";
import { ProxyError } from "../../errors.ts";
import type { ExitSelector, ExitSession } from "../selector.ts";
import { genericLogin, type LoginTemplate } from "./generic.ts";
import { localExitAddress, localExitOf, localExits, localExitsFor } from "./local.ts";
import { oxylabsLogin, oxylabsRefusal } from "./oxylabs.ts";

const account = { username: "USER", password: "PASS" };

function session(id: string, lifetimeMinutes = 10, mode: ExitSession["mode"] = "flex"): ExitSession {
  return { id, lifetimeMinutes, mode };
}

describe("Oxylabs, as its documentation prints user names", () => {
  test.each<[ExitSelector, ExitSession | undefined, string]>([
    [{}, undefined, "customer-USER"],
    [{ country: "us" }, undefined, "customer-USER-cc-US"],
    [{ country: "us", city: "los_angeles" }, undefined, "customer-USER-cc-US-city-los_angeles"],
    [{ country: "us", region: "california" }, undefined, "customer-USER-cc-US-st-us_california"],
    [{ country: "us", postalCode: "90210" }, undefined, "customer-USER-cc-US-postalcode-90210"],
    [{ asn: 3320 }, undefined, "customer-USER-ASN-3320"],
    [{ country: "de" }, session("abc12345", 5), "customer-USER-cc-DE-sessid-abc12345-sesstime-5"],
    [{}, session("abc12345", 10, "oneip"), "customer-USER-sessid_oneip-abc12345"],
    [{}, session("abc12345", 10, "strict"), "customer-USER-sessid_oneip-abc12345"],
  ])("%j %j", (exit, wanted, username) => {
    expect(oxylabsLogin(account, exit, wanted)).toEqual({ username, password: "PASS" });
  });

  test("an ISP tier cannot be had, and is refused rather than ignored", () => {
    expect(() => oxylabsLogin(account, { ispTier: "premium" }, undefined)).toThrow(ProxyError);
  });

  test.each([
    [502, "no exit nodes found (session ended)", "no_exit"],
    [525, "No Exit Found", "no_exit"],
    [502, "session failed, start a new one", "session_lost"],
    [407, "traffic limit reached", "upstream_denied"],
    [403, "restricted target", "forbidden_target"],
    [504, "Gateway Timeout", "connection_timeout"],
    [502, "Bad Gateway", undefined],
  ])("%d %s", (status, text, code) => {
    expect(oxylabsRefusal(status, text)).toBe(code);
  });
});

describe("providers by template, as their documentation prints logins", () => {
  const brightData: LoginTemplate = {
    username:
      "brd-customer-{username}-zone-residential[-country-{country}][-city-{city}][-asn-{asn}][-session-{session}]",
    password: "{password}",
  };
  const decodo: LoginTemplate = {
    username:
      "user-{username}[-country-{country}][-city-{city}][-session-{session}-sessionduration-{minutes}]",
    password: "{password}",
  };
  const ipRoyal: LoginTemplate = {
    username: "{username}",
    password: "{password}[_country-{country}][_city-{city}][_session-{session}_lifetime-{minutes}m]",
  };
  const dataImpulse: LoginTemplate = {
    username: "{username}[__cr.{country}][;city.{city}][;sessid.{session};sessttl.{minutes}]",
    password: "{password}",
  };

  test.each<[string, LoginTemplate, ExitSelector, ExitSession | undefined, string, string]>([
    ["Bright Data", brightData, {}, undefined, "brd-customer-USER-zone-residential", "PASS"],
    [
      "Bright Data",
      brightData,
      { country: "us", city: "sanfrancisco" },
      session("rand39484"),
      "brd-customer-USER-zone-residential-country-us-city-sanfrancisco-session-rand39484",
      "PASS",
    ],
    [
      "Decodo",
      decodo,
      { country: "us" },
      session("abc", 60),
      "user-USER-country-us-session-abc-sessionduration-60",
      "PASS",
    ],
    [
      "IPRoyal",
      ipRoyal,
      { country: "us", city: "desmoines" },
      session("sgn34f3e"),
      "USER",
      "PASS_country-us_city-desmoines_session-sgn34f3e_lifetime-10m",
    ],
    [
      "DataImpulse",
      dataImpulse,
      { country: "us", city: "newark" },
      undefined,
      "USER__cr.us;city.newark",
      "PASS",
    ],
  ])("%s %#", (_, template, exit, wanted, username, password) => {
    expect(genericLogin(template, account, exit, wanted)).toEqual({ username, password });
  });

  test("what the template has no place for is refused rather than ignored", () => {
    expect(() => genericLogin(ipRoyal, account, { asn: 1 }, undefined)).toThrow(/asn/);
  });
});

describe("local exits", () => {
  test.each<[ExitSelector, string[]]>([
    [{}, ["us", "de", "jp"]],
    [{ country: "de" }, ["de"]],
    [{ country: "us", city: "new_york" }, ["us"]],
    [{ country: "us", city: "chicago" }, []],
    [{ country: "fr" }, []],
    [{ asn: 1 }, []],
  ])("%j", (exit, countries) => {
    expect(localExitsFor(exit).map((one) => one.country)).toEqual(countries);
  });

  test("a session keeps its address, and its address tells the exit", () => {
    for (const exit of localExits) {
      for (let index = 0; index < 500; index++) {
        const address = localExitAddress(exit, `session ${index}`);
        expect(address).toBe(localExitAddress(exit, `session ${index}`));
        expect(localExitOf(address)).toBe(exit);
        expect(Number(address.split(".")[3])).toBeGreaterThanOrEqual(1);
        expect(Number(address.split(".")[3])).toBeLessThanOrEqual(200);
      }
    }
  });
});
