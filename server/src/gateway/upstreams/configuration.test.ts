import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildUpstreams, DEMONSTRATION, readUpstreamsFile, upstreamsFileSchema } from "./configuration.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-upstreams-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fileWith(text: string): Promise<string> {
  const path = join(directory, "upstreams.json");
  await writeFile(path, text);
  return path;
}

describe("upstreams.json", () => {
  test("is the demonstration when it is not there", async () => {
    expect(await readUpstreamsFile(join(directory, "missing.json"))).toEqual(DEMONSTRATION);
    expect(buildUpstreams(DEMONSTRATION).flatMap(({ places }) => places.map(({ id }) => id))).toEqual([
      "us-new_york",
      "de-berlin",
      "jp-tokyo",
    ]);
  });

  test.each([
    ["{", "is not JSON"],
    ['{"upstreams":[]}', "is wrong at upstreams"],
    ['{"upstreams":[{"kind":"ftp"}]}', "is wrong at upstreams.0.kind"],
    ['{"upstreams":[{"kind":"oxylabs","username":"u","password":"hunter2","port":0}]}', "upstreams.0.port"],
    ['{"upstreams":[{"kind":"local"}],"allowTargets":["localhost"]}', "allowTargets.0"],
  ])("%s is refused in one sentence without a secret", async (text, words) => {
    const problem = await readUpstreamsFile(await fileWith(text)).catch((error: Error) => error.message);
    expect(problem).toContain(words);
    expect(problem).not.toContain("hunter2");
  });

  test.each([
    [{ upstreams: [{ kind: "local" }, { kind: "local" }] }, "upstreams.1.name"],
    [{ upstreams: [{ kind: "local" }], order: ["other"] }, "order.0"],
    [{ upstreams: [{ kind: "local" }], order: ["local", "local"] }, "order.1"],
    [
      { upstreams: [{ kind: "oxylabs", username: "u", password: "p", breaker: { failures: 0 } }] },
      "upstreams.0.breaker.failures",
    ],
  ])("%j is refused, naming the place", async (file, words) => {
    const problem = await readUpstreamsFile(await fileWith(JSON.stringify(file))).catch(
      (error: Error) => error.message,
    );
    expect(problem).toContain(`is wrong at ${words}`);
  });

  test("upstreams are tried in its order: first those that `order` names, then as they are listed", () => {
    const local = (name: string) => ({ kind: "local", name });
    const file = { upstreams: ["a", "b", "c"].map(local), order: ["c"] };
    const names = buildUpstreams(upstreamsFileSchema.parse(file)).map(({ name }) => name);
    expect(names).toEqual(["c", "a", "b"]);
  });

  test("several places need a placeholder in the login, or one exit would stand for all of them", () => {
    const entry = {
      kind: "generic",
      name: "two",
      protocol: "http",
      host: "proxy.example",
      port: 8080,
      username: "u",
      places: [
        { country: "us", label: "US" },
        { country: "de", label: "DE" },
      ],
    };
    expect(upstreamsFileSchema.safeParse({ upstreams: [entry] }).success).toBe(false);
    const template = { username: "{username}-cc-{country}", password: "{password}" };
    expect(upstreamsFileSchema.safeParse({ upstreams: [{ ...entry, template }] }).success).toBe(true);
  });
});

describe("choosing", () => {
  const [fixed, chosen] = buildUpstreams(
    upstreamsFileSchema.parse({
      upstreams: [
        {
          kind: "generic",
          name: "fixed",
          protocol: "socks5",
          host: "proxy.example",
          port: 1080,
          places: [{ country: "fr", city: "paris", label: "Paris" }],
        },
        { kind: "oxylabs", username: "u", password: "p" },
      ],
    }),
  );

  test("a fixed upstream serves its own place and no other", () => {
    expect(fixed?.choose({ country: "fr" }, undefined)?.label).toBe("Paris");
    expect(fixed?.choose({}, undefined)?.country).toBe("fr");
    expect(fixed?.choose({ country: "de" }, undefined)).toBeUndefined();
    expect(() => fixed?.choose({ country: "fr", asn: 1 }, undefined)).toThrow("ASN");
    expect(fixed?.choose({ pool: "other" }, undefined)).toBeUndefined();
  });

  test("a provider that can choose is left to, and refuses what it cannot", () => {
    expect(chosen?.choose({ country: "br", city: "rio" }, undefined)?.country).toBe("br");
    expect(() => chosen?.choose({ ispTier: "premium" }, undefined)).toThrow("premium");
  });

  test("a place is named only where it was asked for: any other is the provider's choice", () => {
    const places = [
      { country: "de", label: "Germany" },
      { country: "de", city: "berlin", label: "Berlin" },
      { country: "us", city: "new_york", label: "New York" },
    ];
    const entry = { kind: "oxylabs", username: "u", password: "p", places };
    const [listed] = buildUpstreams(upstreamsFileSchema.parse({ upstreams: [entry] }));
    const named = (exit: ExitSelector) => {
      const { country, city, label } = listed?.choose(exit, undefined) ?? {};
      return [country, city, label];
    };
    expect(named({})).toEqual([null, null, null]);
    expect(named({ country: "us" })).toEqual(["us", null, "US"]);
    expect(named({ country: "de" })).toEqual(["de", null, "Germany"]);
    expect(named({ country: "de", city: "berlin" })).toEqual(["de", "berlin", "Berlin"]);
    expect(listed?.choose({ country: "jp" }, undefined)).toBeUndefined();
  });

  test("what belongs to one session is kept apart from another's", () => {
    const session = (key: string) => ({ key, lifetimeMinutes: 10, mode: "flex" as const, expiresAt: 0 });
    const keys = ["a", "b", "a"].map((key) => chosen?.choose({ country: "br" }, session(key))?.key);
    expect(keys[0]).toBe(keys[2]);
    expect(keys[0]).not.toBe(keys[1]);
  });
});
