import type { UrlPattern } from "../url-pattern.ts";
import { LinearMatcher } from "./linear-matcher.ts";
import { neededText } from "./needed-text.ts";
import { parseExpression } from "./parse-expression.ts";

/**
 * Reads a `regexFilter` of declarativeNetRequest. What it costs grows with the length of an address and not faster, and
 * most addresses lack its longest text, which is looked for first.
 * @returns undefined when it holds what is not understood here
 */
export function readExpression(text: string, isCaseSensitive = false): UrlPattern | undefined {
  const expression = parseExpression(text, isCaseSensitive);
  if (expression === undefined) return undefined;
  const { longest } = neededText(expression);
  let matcher: LinearMatcher | undefined;
  return (url) => {
    if (!url.lower.includes(longest)) return false;
    matcher ??= new LinearMatcher(expression);
    return matcher.fits(url.text, url.isWhole);
  };
}

/** The words that every address has which an expression fits; none when it is not understood. */
export function tokensOfExpression(text: string, isCaseSensitive = false): readonly string[] {
  const expression = parseExpression(text, isCaseSensitive);
  return expression === undefined ? [] : neededText(expression).words;
}
