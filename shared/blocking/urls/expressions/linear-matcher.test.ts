import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinearMatcher } from "./linear-matcher.ts";
import { parseExpression } from "./parse-expression.ts";

function matcher(text: string, isCaseSensitive = false): LinearMatcher {
  const expression = parseExpression(text, isCaseSensitive);
  if (expression === undefined) throw new Error(`not understood: ${text}`);
  return new LinearMatcher(expression);
}

describe("an expression", () => {
  it.each([
    ["\\/ads?\\.js$", "http://a.test/ad.js", true],
    ["\\/ads?\\.js$", "http://a.test/ads.js?x", false],
    ["^https?:\\/\\/[a-z]{3,4}\\.test\\/", "https://abcd.test/", true],
    ["^https?:\\/\\/[a-z]{3,4}\\.test\\/", "https://abcde.test/", false],
    ["[^xhr]s$", "http://a.test/rs", false],
    ["\\.js(?:$|\\?)", "http://a.test/a.js?b", true],
    ["[_-a-zA-Z0-9]{5}$", "http://a.test/-----", true],
    ["(ad|banner)+[.-]", "http://a.test/adbanner-1", true],
    ["a^b", "ab", false],
    ["a|", "", true],
    ["(?:^a){0,2}$", "aa", true],
    ["(?:^a)?$", "ba", true],
  ])("%s of %s: %s", (text, url, expected) => expect(matcher(text).fits(url)).toBe(expected));

  it("knows cases where it says so", () => {
    expect(matcher("[a-c]d").fits("BD")).toBe(true);
    expect(matcher("[^a]d").fits("AD")).toBe(false);
    expect(matcher("[a-c]d", true).fits("BD")).toBe(false);
  });

  it("does not take the end of an address that was cut for its end", () => {
    expect(matcher("b$").fits("ab", false)).toBe(false);
    expect(matcher("b").fits("ab", false)).toBe(true);
  });
});

const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\d", "\\.", "\\/", "\\w", "-");
const count = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?");
const anyExpression = fc
  .letrec<{ whole: string; sequence: string; part: string }>((tie) => ({
    part: fc
      .tuple(
        fc.oneof(
          { weight: 4, arbitrary: atom },
          { weight: 1, arbitrary: tie("whole").map((inside) => `(?:${inside})`) },
        ),
        count,
      )
      .map(([one, times]) => one + times),
    sequence: fc
      .tuple(
        fc.constantFrom("", "", "", "^"),
        fc.array(tie("part"), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("", "", "", "$"),
      )
      .map(([start, parts, end]) => start + parts.join("") + end),
    whole: fc.array(tie("sequence"), { minLength: 1, maxLength: 2 }).map((ways) => ways.join("|")),
  }))
  .whole.filter((text) => text.length < 60);
const anyText = fc
  .array(fc.constantFrom("a", "b", "A", ".", "/", "1", "-"), { maxLength: 12 })
  .map((all) => all.join(""));

it("fits what JavaScript's own expression fits", () => {
  let fitting = 0;
  fc.assert(
    fc.property(
      anyExpression,
      fc.array(anyText, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (text, urls, cases) => {
        const ours = matcher(text, cases);
        const theirs = new RegExp(text, cases ? "" : "i");
        for (const url of urls) {
          const expected = theirs.test(url);
          if (expected) fitting += 1;
          expect(ours.fits(url), `${text} ${url}`).toBe(expected);
        }
      },
    ),
    { numRuns: 2_000 },
  );
  expect(fitting).toBeGreaterThan(1_000);
});

// One after the other JavaScript's own would try more ways than there are atoms in the world.
it.each(["^(a+)+$", "^(a|a)*$", "^(a?){60}a{60}$", "^(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$"])(
  "no address keeps %s busy",
  (text) => expect(matcher(text).fits(`${"a".repeat(4_000)}b`)).toBe(false),
);

it("forgets states where an address was made to need very many of them", () => {
  const ours = matcher("a.{12}b$");
  const places = Array.from({ length: 3_000 }, (_, index) => ((index * 7_919) % 31 < 15 ? "a" : "c")).join(
    "",
  );
  expect(ours.fits(`${places}a${"c".repeat(12)}b`)).toBe(true);
  expect(ours.fits(`${places}c${"c".repeat(12)}b`)).toBe(false);
});
