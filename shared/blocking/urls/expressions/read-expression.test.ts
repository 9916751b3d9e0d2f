import fc from "fast-check";
import { expect, it } from "vitest";
import { urlText } from "../url-pattern.ts";
import { tokenHash, tokensOfUrl } from "../url-tokens.ts";
import { neededText } from "./needed-text.ts";
import { parseExpression } from "./parse-expression.ts";
import { readExpression, tokensOfExpression } from "./read-expression.ts";

it("the words of an expression are those that stand whole in every address that fits", () => {
  expect(tokensOfExpression("^https:\\/\\/www\\.news\\.test\\/js\\/[a-f0-9]{32}\\.js$")).toEqual([
    "https",
    "www",
    "news",
    "test",
    "js",
    "js",
  ]);
  expect(tokensOfExpression("news.test\\/ads\\/\\d+")).toEqual(["ads"]);
  expect(tokensOfExpression("\\/(ad|banner)\\/x[.-]y1")).toEqual(["x"]);
  expect(tokensOfExpression("(?=not understood)")).toEqual([]);
});

it("an address is held against an expression from its longest text on, in any case unless it says so", () => {
  const fits = (text: string, isCaseSensitive: boolean) =>
    readExpression(text, isCaseSensitive)?.(urlText("http://a.test/Ads/1.js"));
  expect(fits("\\/ads\\/\\d", false)).toBe(true);
  expect(fits("\\/ads\\/\\d", true)).toBe(false);
  expect(fits("\\/Ads\\/\\d", true)).toBe(true);
  expect(fits("\\/bds\\/\\d", false)).toBe(false);
  expect(readExpression("\\/ads\\b")).toBeUndefined();
});

it("no address fits an expression of which it lacks a word or the longest text", () => {
  const piece = fc.constantFrom(
    "ad",
    "b",
    "\\.",
    "\\/",
    "[.-]",
    "[ab]",
    "(ad|b)",
    "a+",
    "\\d*",
    ".",
    "%",
    "-",
  );
  const url = fc
    .array(fc.constantFrom("ad", "b", ".", "/", "-", "a", "1", "%", "A"), { minLength: 1, maxLength: 8 })
    .map((parts) => `http://ad.b/${parts.join("")}`);
  const anchored = fc.tuple(
    fc.constantFrom("", "^http:\\/\\/"),
    fc.array(piece, { minLength: 1, maxLength: 5 }),
    fc.constantFrom("", "$"),
  );
  let fitting = 0;
  fc.assert(
    fc.property(
      anchored,
      fc.array(url, { minLength: 4, maxLength: 8 }),
      ([start, pieces, end], addresses) => {
        const text = start + pieces.join("") + end;
        const expression = parseExpression(text, false);
        if (expression === undefined) throw new Error(`not understood: ${text}`);
        const { words, longest } = neededText(expression);
        for (const address of addresses.filter((one) => new RegExp(text, "i").test(one))) {
          fitting += 1;
          expect(address.toLowerCase(), text).toContain(longest);
          for (const word of words)
            expect(tokensOfUrl(address), `${text} ${address}`).toContain(tokenHash(word));
        }
      },
    ),
    { numRuns: 2_000 },
  );
  expect(fitting).toBeGreaterThan(200);
});
