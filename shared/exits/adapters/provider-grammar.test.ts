import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProxyError } from "../../errors.ts";
import type { ExitSelector, ExitSession } from "../selector.ts";
import type { ProviderRequest } from "./provider-adapter.ts";
import { bindProvider, type ProviderKind, providerEntrySchema } from "./provider-adapters.ts";
import { sessionIdOf } from "./session-id.ts";
import { usState } from "./us-states.ts";

/** What a provider would understand of a login: its own small parser, written from its pages and not from our code. */
type Understood = Record<string, string>;
type Grammar = (request: ProviderRequest) => Understood;

/** `a-1-b-2` as pairs; a key twice or without a value is an error of the test. */
function pairsOf(text: string): Understood {
  const words = text === "" ? [] : text.split("-");
  const understood: Understood = {};
  for (let index = 0; index < words.length; index += 2) {
    const [key = "", value = ""] = words.slice(index, index + 2);
    if (key === "" || value === "" || key in understood) throw new Error(`"${text}" breaks at ${key}`);
    understood[key] = value;
  }
  return understood;
}

function renamed(understood: Understood, names: Record<string, string>): Understood {
  return Object.fromEntries(
    Object.entries(understood).map(([key, value]) => {
      const name = names[key];
      if (name === undefined) throw new Error(`${key} is not in this grammar`);
      return [name, value];
    }),
  );
}

const places = { country: "country", continent: "continent", city: "city", zip: "postalCode", asn: "asn" };

/** `us_new_york` is a state with its country in front. */
function withoutCountry(understood: Understood): Understood {
  const { region, ...rest } = understood;
  if (region === undefined) return understood;
  const [country = "", ...name] = region.split("_");
  return { ...rest, country, region: name.join("_") };
}

const grammars: Record<Exclude<ProviderKind, "generic">, Grammar> = {
  oxylabs: ({ username = "" }) => {
    const { customer, ...read } = pairsOf(username);
    expect(customer).toBe("USER");
    return withoutCountry(
      renamed(read, {
        cc: "country",
        cn: "continent",
        st: "region",
        city: "city",
        postalcode: "postalCode",
        ASN: "asn",
        sessid: "session",
        sessid_oneip: "session",
        sesstime: "minutes",
      }),
    );
  },
  brightdata: ({ username = "" }) => {
    const read = /^brd-customer-USER-zone-ZONE((?:-.*)?)$/.exec(username)?.[1] ?? "?";
    const withoutFlag = read.replace(/-const$/, "").slice(1);
    return renamed(pairsOf(withoutFlag), { ...places, state: "region", session: "session" });
  },
  decodo: ({ username = "" }) => {
    const { user, ...read } = pairsOf(username);
    expect(user).toBe("USER");
    const names = { ...places, state: "region", session: "session", sessionduration: "minutes" };
    return withoutCountry(renamed(read, names));
  },
  iproyal: ({ username, password = "" }) => {
    expect(username).toBe("USER");
    const [secret, ...parts] = password.split("_");
    expect(secret).toBe("PASS");
    const read = Object.fromEntries(parts.map((part) => part.split("-", 2) as [string, string]));
    const { lifetime, killswitch: _, region: continent, ...rest } = read;
    const [, count, unit] = /^(\d+)([mh])$/.exec(lifetime ?? "") ?? [];
    return renamed(
      {
        ...rest,
        ...(continent && { continent: continent === "europe" ? "eu" : continent }),
        ...(count && { minutes: String(Number(count) * (unit === "h" ? 60 : 1)) }),
      },
      { ...places, state: "region", session: "session", minutes: "minutes" },
    );
  },
  soax: ({ username = "" }) => {
    const { package: id, sessionlength, ...read } = pairsOf(username);
    expect(id).toBe("USER");
    const minutes = sessionlength && String(Number(sessionlength) / 60);
    const names = { ...places, region: "region", sessionid: "session", minutes: "minutes" };
    return renamed({ ...read, ...(minutes && { minutes }) }, names);
  },
  "soax-rules": ({ username = "" }) => {
    const { country, rotate, bind, onerror, ...read } = pairsOf(username);
    expect([bind, onerror]).toEqual(bind ? ["node", "fail"] : [undefined, undefined]);
    const minutes = rotate && String(Number(/^timed_(\d+)$/.exec(rotate)?.[1]) / 60);
    return renamed(
      { ...read, ...(country && country !== "any" && { country }), ...(minutes && { minutes }) },
      { ...places, region: "region", session: "session", minutes: "minutes" },
    );
  },
  webshare: ({ username = "" }) => {
    const [user, ...parts] = username.split("-");
    expect(user).toBe("USER");
    const understood: Understood = {};
    for (const part of parts) {
      if (/^\d+$/.test(part)) understood.session = part;
      else if (part.startsWith("city_")) understood.city = part.slice("city_".length);
      else if (part !== "rotate") understood.country = part;
    }
    return understood;
  },
  dataimpulse: ({ username = "" }) => {
    const [user, asked = "", ...more] = username.split("__");
    expect([user, more]).toEqual(["USER", []]);
    const read = asked === "" ? [] : asked.split(";").map((part) => part.split(".") as [string, string]);
    return renamed(Object.fromEntries(read), {
      cr: "country",
      state: "region",
      city: "city",
      zip: "postalCode",
      asn: "asn",
      sessid: "session",
      sessttl: "minutes",
    });
  },
  netnut: ({ username = "" }) => {
    const [, place = "?", session] =
      /^USER-(res-[a-z]+|res_sc-[a-z0-9_]+)(?:-sid-(\d+))?$/.exec(username) ?? [];
    const names = place.replace(/^res(_sc)?-/, "").split("_");
    const [country, ...rest] = names;
    const [city, region] = rest.toReversed();
    return {
      ...(country !== "any" && { country: country === "uk" ? "gb" : `${country}` }),
      ...(region && { region }),
      ...(city && { city }),
      ...(session && { session }),
    };
  },
};

const entries: Record<keyof typeof grammars, Record<string, unknown>> = {
  oxylabs: { username: "USER", password: "PASS" },
  brightdata: { customer: "USER", zone: "ZONE", password: "PASS" },
  decodo: { username: "USER", password: "PASS" },
  iproyal: { username: "USER", password: "PASS" },
  soax: { packageId: "USER", password: "PASS" },
  "soax-rules": { password: "PASS" },
  webshare: { username: "USER", password: "PASS" },
  dataimpulse: { username: "USER", password: "PASS" },
  netnut: { username: "USER", password: "PASS" },
};

const name = fc
  .string({ unit: fc.constantFrom(..."abcxyz_059"), minLength: 1, maxLength: 20 })
  .filter((text) => /[a-z]/.test(text));
const within = { city: name, postalCode: fc.constantFrom("10001", "90210") };
const exits: fc.Arbitrary<ExitSelector> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ country: fc.constantFrom("us", "gb", "de") }, { requiredKeys: [] }) },
  fc.record(
    {
      country: fc.constant("us"),
      region: fc.constantFrom("ny", "new_york", "iowa", "texas"),
      city: within.city,
    },
    { requiredKeys: ["country"] },
  ),
  fc.record(
    { country: fc.constantFrom("us", "gb"), city: within.city, asn: fc.nat(4e9) },
    { requiredKeys: ["country"] },
  ),
  fc.record({ country: fc.constant("us"), postalCode: within.postalCode }),
  fc.record({ asn: fc.integer({ min: 1, max: 4_294_967_295 }) }),
  fc.record({ continent: fc.constantFrom("eu" as const) }),
);
const sessions = fc.option(
  fc.record({
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    lifetimeMinutes: fc.integer({ min: 1, max: 1440 }),
    mode: fc.constantFrom<ExitSession["mode"]>("flex", "strict", "oneip"),
  }),
  { nil: undefined },
);

const squashed = (text: string | number) => `${text}`.toLowerCase().replaceAll(/[_+]/g, "");

function comparable(exit: Record<string, string | number | readonly string[] | undefined>): Understood {
  return Object.fromEntries(
    Object.entries(exit).map(([part, value]) => [
      part,
      squashed(part === "region" ? (usState(`${value}`)?.name ?? usStateOfOneWord(`${value}`)) : `${value}`),
    ]),
  );
}

function usStateOfOneWord(word: string): string {
  return word === "newyork" ? "new_york" : word;
}

describe.each(Object.keys(grammars) as (keyof typeof grammars)[])("%s", (kind) => {
  const provider = bindProvider(providerEntrySchema.parse({ kind, ...entries[kind] }));
  const rules = provider.session;

  test("what is asked reads back under the provider's own grammar, whole, and nothing besides it", () => {
    let understoodLogins = 0;
    fc.assert(
      fc.property(exits, sessions, (exit, wish) => {
        const session =
          wish && rules ? { ...wish, id: sessionIdOf(rules.id, digestOf(wish.key, kind)) } : undefined;
        let request: ProviderRequest;
        try {
          request = provider.ask(exit, session);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyError);
          expect(error).toMatchObject({ code: "no_exit", detail: expect.stringMatching(/\.$/) });
          return;
        }
        understoodLogins++;
        const { session: id, minutes, ...place } = grammars[kind](request);
        expect(comparable(place)).toEqual(comparable(exit));
        expect(id).toBe(session?.id);
        const limits = rules?.lifetime;
        if (minutes !== undefined && limits && session) {
          const wanted = Math.min(Math.max(session.lifetimeMinutes, limits.minimum), limits.maximum);
          expect(Number(minutes)).toBeGreaterThanOrEqual(wanted);
          expect(Number(minutes)).toBeLessThan(wanted + 60);
        }
      }),
      { numRuns: 400 },
    );
    expect(understoodLogins).toBeGreaterThan(50);
  });

  test("the same session has the same id, another credential's session another, and all have the provider's form", () => {
    if (!rules) return;
    const { id: form } = rules;
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const id = sessionIdOf(form, digestOf(key, kind));
        expect(sessionIdOf(form, digestOf(key, kind))).toBe(id);
        const other = Uint8Array.from(key);
        other[0] = (other[0] ?? 0) ^ 1;
        expect(sessionIdOf(form, digestOf(other, kind))).not.toBe(id);
        if (form.kind === "text") {
          expect(id).toHaveLength(form.length);
          expect([...id].every((letter) => form.alphabet.includes(letter))).toBe(true);
        } else {
          expect(Number(id)).toBeGreaterThanOrEqual(form.minimum);
          expect(Number(id)).toBeLessThanOrEqual(form.maximum);
        }
        seen.add(id);
      }),
      { numRuns: 200 },
    );
    expect(seen.size).toBeGreaterThan(150);
  });
});

function digestOf(key: Uint8Array, upstream: string): Uint8Array {
  return createHmac("sha256", key).update(upstream).digest();
}
