import fc from "fast-check";
import { expect, test } from "vitest";
import { DomainSet, DomainSetBuilder } from "./domain-set.ts";
import { type ListRule, RANK, type Rank } from "./list-rule.ts";
import { hashName } from "./name-hash.ts";
import { parseListLine } from "./parse-list.ts";

const KEY = { low: 0x1234_5678, high: 0x9abc_def0 };
const A = 1;

/** The set of lines, each line a list of its own. */
function setOf(...lines: string[]) {
  const builder = new DomainSetBuilder(KEY);
  for (const [list, line] of lines.entries()) {
    const read = parseListLine(line);
    if (read.kind !== "rules") throw new Error(`${line} is no rule`);
    for (const rule of read.rules) builder.add(rule, list, 1);
  }
  return new DomainSet(builder.build());
}

test("a rule of a whole name holds for it and all below it, and for nothing beside it", () => {
  const set = setOf("||a.example^");
  for (const name of ["a.example", "b.a.example", "c.b.a.example"])
    expect(set.find(name, A)?.rank).toBe(RANK.block);
  for (const name of ["example", "xa.example", "a.example.other", "example.a"])
    expect(set.find(name, A)).toBeUndefined();
});

test("a name of hosts syntax holds for itself alone, and a wildcard only for what is below", () => {
  expect(setOf("0.0.0.0 a.example").find("b.a.example", A)).toBeUndefined();
  expect(setOf("*.a.example").find("a.example", A)).toBeUndefined();
  expect(setOf("*.a.example").find("b.a.example", A)?.rank).toBe(RANK.block);
});

test("an exception weighs more than a rule, an important rule more than an exception, an important exception most", () => {
  const lines = [
    "||a.example^",
    "@@||b.a.example^",
    "||c.b.a.example^$important",
    "@@||d.c.b.a.example^$important",
  ];
  const set = setOf(...lines);
  expect(set.find("a.example", A)?.rank).toBe(RANK.block);
  expect(set.find("b.a.example", A)?.rank).toBe(RANK.allow);
  expect(set.find("c.b.a.example", A)?.rank).toBe(RANK.importantBlock);
  expect(set.find("d.c.b.a.example", A)?.rank).toBe(RANK.importantAllow);
});

test("a condition holds for the types and names that it means", () => {
  const set = setOf(
    "||a.example^$dnstype=AAAA",
    "||b.example^$denyallow=c.b.example",
    "||ads*.d.example^",
    "||tele*.^",
  );
  expect(set.find("a.example", 28)?.rank).toBe(RANK.block);
  expect(set.find("a.example", A)).toBeUndefined();
  expect(set.find("b.example", A)?.rank).toBe(RANK.block);
  expect(set.find("x.c.b.example", A)).toBeUndefined();
  expect(set.find("x.ads7.d.example", A)?.rank).toBe(RANK.block);
  expect(set.find("bads7.d.example", A)).toBeUndefined();
});

test("patterns without an end hold for every name that they match, and one costs nothing for names without its label", () => {
  const count = 40_000;
  const many = Array.from({ length: count }, (_, index) => `||label${index}.exam`);
  const builder = new DomainSetBuilder(KEY);
  for (const [index, line] of ["||a.exam", "|b.exam", "||ads", "||*c.exam", ...many].entries()) {
    const read = parseListLine(line);
    if (read.kind === "rules") for (const rule of read.rules) builder.add(rule, 0, index + 1);
  }
  const set = new DomainSet(builder.build());
  const lineOf = (name: string) => set.find(name, A)?.line;
  expect(["a.example", "x.a.exam", "a.exams.other"].map(lineOf)).toEqual([1, 1, 1]);
  expect(["b.example", "x.b.example", "xa.example"].map(lineOf)).toEqual([2, undefined, undefined]);
  expect(["ads7.test", "xc.example", "label39999.example"].map(lineOf)).toEqual([3, 4, count + 4]);
  // To hold each against all patterns would take minutes.
  const found = Array.from({ length: count }, (_, index) => lineOf(`www.name${index}.example`));
  expect(new Set(found)).toEqual(new Set([undefined]));
});

test("the list that says it first is told, with its line", () => {
  expect(setOf("||a.example^", "||a.example^").find("x.a.example", A)).toEqual({
    list: 0,
    line: 1,
    rank: RANK.block,
  });
});

const labels = fc.constantFrom("a", "b", "c", "ads", "x1", "-_");
const names = fc.array(labels, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("."));
const rules: fc.Arbitrary<ListRule & { readonly rank: Rank }> = fc.record({
  name: names,
  self: fc.boolean(),
  below: fc.boolean(),
  allow: fc.constant(false),
  important: fc.constant(false),
  condition: fc.constant(null),
  rank: fc.constantFrom(...Object.values(RANK)),
});

/** What a set says, said slowly. */
function heaviest(known: readonly (ListRule & { rank: Rank })[], name: string): number | undefined {
  const ranks = known
    .filter((rule) => (rule.self && rule.name === name) || (rule.below && name.endsWith(`.${rule.name}`)))
    .map(({ rank }) => rank);
  return ranks.length === 0 ? undefined : Math.max(...ranks);
}

test("the table finds what a search through all rules finds", () => {
  fc.assert(
    fc.property(fc.array(rules, { maxLength: 60 }), fc.array(names, { maxLength: 40 }), (known, asked) => {
      const builder = new DomainSetBuilder(KEY);
      for (const [index, rule] of known.entries()) builder.add(rule, 0, index + 1, rule.rank);
      const set = new DomainSet(builder.build());
      for (const name of asked) expect(set.find(name, A)?.rank).toBe(heaviest(known, name));
    }),
    { numRuns: 300 },
  );
});

test("a hundred thousand names have as many hashes", () => {
  const seen = new Set<bigint>();
  const count = 100_000;
  for (let index = 0; index < count; index++) {
    const [low, high] = hashName(`${index}.${index % 7}.example`, KEY);
    seen.add((BigInt(high) << 32n) | BigInt(low));
  }
  expect(seen.size).toBe(count);
});
