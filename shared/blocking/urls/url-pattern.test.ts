import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPattern, urlText } from "./url-pattern.ts";

const fits = (pattern: string, url: string, isCaseSensitive = false) =>
  readPattern(pattern, isCaseSensitive)(urlText(url));

describe("patterns of addresses", () => {
  it.each([
    ["||ads.test^", "http://ads.test/"],
    ["||ads.test^", "http://x.ads.test:8080/a"],
    ["||ads.test^", "http://ads.test"],
    ["||ads.test/a", "http://ads.test/abc"],
    ["|http://a.test/|", "http://a.test/"],
    ["/ad/*.gif|", "http://a.test/ad/1.gif.gif"],
    ["/AD/", "http://a.test/ad/"],
    ["^ad^", "http://a.test/?ad=1"],
    ["-ad^", "http://a.test/x-ad"],
    ["||test", "http://a.test/"],
    ["||ads.test^", "http://me@ads.test/"],
    ["||ads.test^", "http://me:x.y@ads.test/"],
  ])("%s fits %s", (pattern, url) => expect(fits(pattern, url)).toBe(true));

  it.each([
    ["||ads.test^", "http://noads.test/"],
    ["||ads.test^", "http://ads.test.evil/"],
    ["||ads.test^", "http://a.test/?u=http://ads.test/"],
    ["||ads.test^", "http://ads.test@a.test/"],
    ["||ads.test^", "http://a.test/@ads.test/"],
    ["|http://a.test/|", "http://a.test/b"],
    ["/ad/*.gif|", "http://a.test/ad/1.gif?x"],
    ["^ad^", "http://a.test/?bad=1"],
    ["^ad^", "http://a.test/?ad_1"],
  ])("%s does not fit %s", (pattern, url) => expect(fits(pattern, url)).toBe(false));

  it("know cases where they say so", () => {
    expect(fits("/Ad", "http://a.test/Ad", true)).toBe(true);
    expect(fits("/Ad", "http://a.test/ad", true)).toBe(false);
  });

  it("do not take the place where a long address is cut for its end", () => {
    const long = (end: string) => `http://a.test/${"x".repeat(4_096)}${end}`;
    expect(fits("x|", long("y"))).toBe(false);
    expect(fits("xx^", long("y"))).toBe(false);
    expect(fits("/xx", long("y"))).toBe(true);
  });

  it("mean what the same regular expression means", () => {
    const piece = fc.constantFrom("a", "b", ".", "/", "^", "*", "-", "%", "ab", "||", "|");
    const urls = fc
      .array(fc.constantFrom("a", "b", ".", "-", "_", "%"), { minLength: 1, maxLength: 6 })
      .chain((host) =>
        fc
          .array(fc.constantFrom("a", "b", ".", "/", "?", "-", ":", "|"), { maxLength: 8 })
          .map((rest) => `http://${host.join("")}/${rest.join("")}`),
      );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), urls, (pieces, url) => {
        const pattern = pieces.join("");
        fc.pre(!/^\|{3}|.\|\|$|^\|$|^\|\|$/.test(pattern));
        expect(fits(pattern, url), `${pattern} ${url}`).toBe(expression(pattern).test(url));
      }),
      { numRuns: 3_000 },
    );
  });
});

/** As it reads in Chrome's documentation of `urlFilter`. */
function expression(pattern: string): RegExp {
  const start = pattern.startsWith("||") ? "^[a-z]+://([^/:?#]*\\.)?" : pattern.startsWith("|") ? "^" : "";
  const rest = pattern.replace(/^\|{1,2}/, "");
  const end = rest.endsWith("|") ? "$" : "";
  const body = [...(end ? rest.slice(0, -1) : rest)].map((character) => {
    if (character === "*") return ".*";
    if (character === "^") return "(?:[^a-z0-9_.%-]|$)";
    return character.replace(/[.|?*+^$()[\]{}\\/-]/g, "\\$&");
  });
  return new RegExp(start + body.join("") + end, "i");
}
