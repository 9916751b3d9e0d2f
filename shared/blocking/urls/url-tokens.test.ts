import fc from "fast-check";
import { expect, it } from "vitest";
import { readPattern, urlText } from "./url-pattern.ts";
import { tokenHash, tokensOfPattern, tokensOfUrl } from "./url-tokens.ts";

it("the words of a pattern are those that stand whole in every address that fits", () => {
  expect(tokensOfPattern("||ads.example.com/banner/")).toEqual(["ads", "example", "com", "banner"]);
  expect(tokensOfPattern("/banner*.gif|")).toEqual(["gif"]);
  expect(tokensOfPattern("banner.")).toEqual([]);
  expect(tokensOfPattern("|http://a.test")).toEqual(["http", "a"]);
});

it("no address fits a pattern of which it lacks a word", () => {
  const pieces = fc.array(fc.constantFrom("ad", "b", ".", "/", "^", "*", "-", "?"), {
    minLength: 1,
    maxLength: 6,
  });
  const start = fc.constantFrom("", "|", "||");
  const url = fc
    .array(fc.constantFrom("ad", "b", ".", "/", "-", "?", "_"), { minLength: 1, maxLength: 10 })
    .map((parts) => `http://ad.b/${parts.join("")}`);
  let fitting = 0;
  fc.assert(
    fc.property(start, pieces, url, (anchor, body, address) => {
      const pattern = anchor + body.join("");
      if (!readPattern(pattern)(urlText(address))) return;
      fitting += 1;
      const words = tokensOfUrl(address);
      for (const word of tokensOfPattern(pattern))
        expect(words, `${pattern} ${address}`).toContain(tokenHash(word));
    }),
    { numRuns: 5_000 },
  );
  expect(fitting).toBeGreaterThan(100);
});
