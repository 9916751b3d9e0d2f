import fc from "fast-check";
import { expect, test } from "vitest";
import { ExitTokens, proofOf, signAsk } from "./exit-token.ts";

const key = Buffer.alloc(32, 1);
const ask = { host: "site.example", port: 443, from: "203.0.113.10" };
const NOW = 1_800_000_000_000;

test("a token is good for its flow, and once", () => {
  const tokens = new ExitTokens(key, () => NOW);
  const token = signAsk(key, ask, NOW);
  expect(tokens.accept(token, ask)).toBe(true);
  expect(tokens.accept(token, ask)).toBe(false);
});

test.each([
  ["another target", { ...ask, host: "other.example" }],
  ["another port", { ...ask, port: 80 }],
  ["another address", { ...ask, from: null }],
])("a token is not good for %s", (_, other) => {
  expect(new ExitTokens(key, () => NOW).accept(signAsk(key, ask, NOW), other)).toBe(false);
});

test("a token is good for two minutes of difference between the clocks, and one of another key never", () => {
  const at = (now: number) => new ExitTokens(key, () => now).accept(signAsk(key, ask, NOW), ask);
  expect([at(NOW - 120_001), at(NOW - 120_000), at(NOW + 120_000), at(NOW + 120_001)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(new ExitTokens(Buffer.alloc(32, 2), () => NOW).accept(signAsk(key, ask, NOW), ask)).toBe(false);
  expect(proofOf(key, "t")).not.toBe(proofOf(Buffer.alloc(32, 2), "t"));
});

test("what is used is remembered for as long as it could be used again, and no longer", () => {
  let now = NOW;
  const tokens = new ExitTokens(key, () => now);
  const early = signAsk(key, ask, NOW + 100_000);
  expect(tokens.accept(early, ask)).toBe(true);
  now = NOW + 219_000;
  expect(tokens.accept(signAsk(key, ask, now), ask)).toBe(true);
  expect(tokens.accept(early, ask)).toBe(false);
});

test("nothing else is ever taken for a token", () => {
  const tokens = new ExitTokens(key, () => NOW);
  const good = signAsk(key, ask, NOW);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => tokens.accept(text, ask) === false));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
      const changed = good.slice(0, at) + letter + good.slice(at + 1);
      return changed === good || !tokens.accept(changed, ask);
    }),
  );
});
