import type { BuiltInList } from "../built-in-list.ts";

/** The rulesets of @adguard/dnr-rulesets that make each list, by their numbers there. */
const NUMBERS: Readonly<Record<Exclude<BuiltInList, "ads">, readonly number[]>> = {
  tracking: [3],
  security: [208, 255, 256, 257, 259],
};
/** Experiments, exceptions for search ads, and what is a matter of taste: social widgets, cookie notices, annoyances. */
const LEFT_OUT: readonly number[] = [4, 5, 10, 18, 19, 20, 21, 22, 217];

/**
 * Which rulesets make a list; `ads` takes what no other list has and nobody left out.
 * @param all the numbers of all rulesets that there are
 */
export function rulesetNumbers(list: BuiltInList, all: readonly number[]): readonly number[] {
  if (list !== "ads") return NUMBERS[list];
  const others = [...LEFT_OUT, ...NUMBERS.tracking, ...NUMBERS.security];
  return all.filter((number) => !others.includes(number));
}
