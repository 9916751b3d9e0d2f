import { expect, it } from "vitest";
import { parseExpression } from "./parse-expression.ts";

it.each([
  ["(?=a)b", "looks ahead"],
  ["(?<!a)b", "looks behind"],
  ["(a)\\1", "asks for the same again"],
  ["(?i)a", "changes its own meaning"],
  ["(?P<name>a)", "names a group"],
  ["\\ba", "a border of words"],
  ["\\Aa\\z", "for JavaScript letters, for RE2 the ends"],
  ["\\pL", "a kind of letter for RE2 alone"],
  ["[[:alpha:]]", "a class for RE2 alone"],
  ["[]a]", "an empty class for JavaScript alone"],
  ["[a-\\d]", "a range to a class"],
  ["[b-a]", "a range backwards"],
  ["a**", "repeats what repeats"],
  ["a{,3}", "a count for neither"],
  ["a{1000}", "too many"],
  ["(a{30}){30}", "too many of many"],
  ["^*", "repeats the beginning"],
  ["(a", "a group without an end"],
  ["a)", "an end without a group"],
  ["[a", "a class without an end"],
  ["\\", "nothing after the backslash"],
  ["é", "not ASCII"],
  [`${"(".repeat(40)}a${")".repeat(40)}`, "deeper than anybody writes"],
])("%s is not understood: %s", (text) => expect(parseExpression(text, false)).toBeUndefined());
