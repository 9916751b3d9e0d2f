import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  policySchema,
  type RegionalPolicy,
  readPolicy,
  writePolicy,
} from "@atlantic/shared/blocking/policy/policy-file.ts";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NameFilter } from "../filter/name-filter.ts";
import { listOf } from "../testing/list-of.ts";
import { DecisionLog } from "./decision-log.ts";
import { PolicyInForce } from "./policy-in-force.ts";
import { signPolicy, verifySignature } from "./policy-signature.ts";
import { type PolicyEvent, PolicyStore } from "./policy-store.ts";

const NOW = Date.parse("2026-11-30T00:00:00Z");
const keyPair = () =>
  generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const operator = keyPair();
const stranger = keyPair();

function example(name: string): string {
  return readFileSync(new URL(`../../../../docs/examples/policy-${name}.json`, import.meta.url), "utf8");
}

function signed(body: string, pem = operator): { readonly text: string; readonly key: string } {
  const { key, signature } = signPolicy(pem, body);
  return { text: writePolicy(body, key, signature), key };
}

function changed(part: Partial<RegionalPolicy>): string {
  return JSON.stringify({ ...policySchema.parse(JSON.parse(example("school"))), ...part });
}

let directory: string;
let events: PolicyEvent[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atlantic-policy-"));
  events = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const openStore = (now = NOW) =>
  new PolicyStore({ directory, tell: (event) => events.push(event), now: () => now });

test.each(["school", "operator"])(
  "the example of the %s is a policy, and what it decides is said",
  (name) => {
    const { text, key } = signed(example(name));
    const store = openStore();
    store.choose(text, key, null);
    expect(store.inForce?.policy.id).toBe(`${name}-example`);
    expect(events.map(({ kind }) => kind)).toContain("in force");
    expect(events.map(({ sentence }) => sentence).join(" ")).toContain(
      name === "school" ? "security is filtered" : "ads is not filtered",
    );
  },
);

test("a policy that was chosen is followed again after a restart", () => {
  const { text, key } = signed(example("school"));
  openStore().choose(text, key, 11);
  const again = openStore();
  expect(again.inForce?.policy.version).toBe(3);
  expect(again.inForce?.age).toBe(11);
});

test.each([
  [
    "a bad signature",
    () => ({ text: signed(changed({ version: 4 })).text.replace("School conference", "Nobody") }),
    /changed after it was signed/,
  ],
  [
    "another key",
    () => ({ text: signed(changed({ version: 4 }), stranger).text }),
    /key that was not chosen/,
  ],
  [
    "an unknown version of the format",
    () => ({
      text: signed(changed({ version: 4 })).text.replace('"atlantic-policy":1', '"atlantic-policy":2'),
    }),
    /format 2/,
  ],
  [
    "an expired file",
    () => ({ text: signed(changed({ version: 4, expires: "2026-10-01T00:00:00Z" })).text }),
    /expired/,
  ],
  [
    "a file for later",
    () => ({ text: signed(changed({ version: 4, issued: "2027-01-01T00:00:00Z" })).text }),
    /issued for/,
  ],
  ["an older version", () => ({ text: signed(changed({ version: 2 })).text }), /older than 3/],
  ["contents that are no policy", () => ({ text: signed('{"id":"x"}').text }), /wrong at/],
  ["no policy file at all", () => ({ text: "hello" }), /no policy file/],
])("%s changes nothing, and it is said why", (_, make, sentence) => {
  const { text, key } = signed(example("school"));
  const store = openStore();
  store.choose(text, key, null);
  expect(() => store.choose(make().text, key, null)).toThrow(sentence);
  expect(store.inForce?.policy.version).toBe(3);
  expect(store.problem).toMatch(sentence);
  expect(events.at(-1)).toMatchObject({
    kind: "refused",
    sentence: expect.stringContaining("Version 3 of school-example stays in force."),
  });
  expect(openStore().inForce?.policy.version).toBe(3);
});

test("a policy that expires stays in force, and says so", () => {
  const { text, key } = signed(example("school"));
  openStore().choose(text, key, null);
  const later = openStore(Date.parse("2028-01-01T00:00:00Z"));
  expect(later.inForce?.policy.version).toBe(3);
  expect(later.problem).toMatch(/expired on 2027-08-01 and stays in force/);
});

test("a file that is damaged on the disk gives way to the one before it", () => {
  const first = signed(example("school"));
  const store = openStore();
  store.choose(first.text, first.key, null);
  store.choose(signed(changed({ version: 4 })).text, first.key, null);
  writeFileSync(join(directory, "policy.txt"), "scrambled");
  expect(openStore().inForce?.policy.version).toBe(3);
  writeFileSync(join(directory, "policy-before.txt"), "scrambled");
  expect(() => openStore()).toThrow(/damaged/);
});

test("without a choice there is no policy, and after its removal there is none", () => {
  expect(openStore().inForce).toBeNull();
  const { text, key } = signed(example("school"));
  const store = openStore();
  store.choose(text, key, null);
  store.remove();
  expect(openStore().inForce).toBeNull();
});

test("no change of a byte of a signed file is followed as if it had been signed", () => {
  const { text, key } = signed(example("operator"));
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
      const other = `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`;
      const reading = readPolicy(other, { key, verify: verifySignature, now: NOW, inForce: null });
      if (reading.kind === "good")
        expect(reading.policy).toEqual(policySchema.parse(JSON.parse(example("operator"))));
    }),
    { numRuns: 400 },
  );
});

test("the policy weighs more than the person's word, and its reason is told", async () => {
  const inForce = new PolicyInForce(policySchema.parse(JSON.parse(example("operator"))), null);
  const filter = new NameFilter();
  const own = {
    ...listOf("@@||pirated-films.example^", "||journal.example^"),
    by: "user" as const,
    id: "user",
  };
  await filter.load([...inForce.sources(), { ...own, rank: null }]);
  expect(filter.decide("www.pirated-films.example").verdict).toBe("blocked");
  expect(filter.decide("journal.example").verdict).toBe("allowed");
  expect(inForce.because("www.pirated-films.example")).toMatch(/Court order/);
});

test("rules by age hold only for an age that was said", async () => {
  const policy = policySchema.parse(JSON.parse(example("school")));
  const blocked = async (age: number | null, name: string) => {
    const filter = new NameFilter();
    await filter.load(new PolicyInForce(policy, age).sources());
    return filter.decide(name).verdict === "blocked";
  };
  expect(await blocked(null, "casino.example")).toBe(false);
  expect(await blocked(11, "chat.example")).toBe(true);
  expect(await blocked(15, "chat.example")).toBe(false);
  expect(await blocked(15, "casino.example")).toBe(true);
  expect(await blocked(18, "casino.example")).toBe(false);
});

test.each([
  ["nothing", false, false],
  ["counts", true, false],
  ["names", true, true],
] as const)("where the policy says that %s is kept, no more is kept", (decisions, counts, names) => {
  const base = policySchema.parse(JSON.parse(example("operator")));
  const inForce = new PolicyInForce({ ...base, logging: { decisions, keepDays: 7 } }, null);
  let now = NOW;
  const log = new DecisionLog({ directory, policy: () => inForce, now: () => now });
  log.blocked("www.pirated-films.example", "operator-example");
  log.flush();
  expect(existsSync(join(directory, "decisions-2026-11-30.json"))).toBe(counts);
  const file = join(directory, "decisions-2026-11-30.jsonl");
  expect(existsSync(file)).toBe(names);
  if (names) expect(readFileSync(file, "utf8")).toMatch(/Court order/);
  now += 9 * 86_400_000;
  log.close();
  expect(existsSync(file)).toBe(false);
});
