import type { ExitSelector } from "./selector.ts";

/**
 * The single choices that a selector of several countries allows, each with one country, in the order to try.
 *
 * @param seed the same number gives the same order: a session stays in its country; without a session, any number
 */
export function candidateExits(exit: ExitSelector, seed: number): readonly ExitSelector[] {
  const { countries, ...rest } = exit;
  if (countries === undefined) return [exit];
  const first = Math.abs(Math.trunc(seed)) % countries.length;
  const turned = [...countries.slice(first), ...countries.slice(0, first)];
  return turned.map((country) => ({ ...rest, country }));
}
