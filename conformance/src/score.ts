import { type ConformanceCase, type Group, groups } from "./conformance-case.ts";
import type { CaseResult } from "./run-cases.ts";

export interface Score {
  readonly passed: number;
  /** Without those that do not apply. */
  readonly of: number;
}

/** How many cases of each group, and of all, a proxy holds to. */
export function scoresOf(
  cases: readonly ConformanceCase[],
  results: readonly CaseResult[],
): Record<Group | "all", Score> {
  const outcomes = new Map(results.map(({ id, outcome }) => [id, outcome]));
  const count = (wanted: readonly ConformanceCase[]): Score => {
    const applied = wanted.map(({ id }) => outcomes.get(id)).filter((o) => o === "pass" || o === "fail");
    return { passed: applied.filter((outcome) => outcome === "pass").length, of: applied.length };
  };
  const byGroup = groups.map((group) => [group, count(cases.filter((one) => one.group === group))] as const);
  return { ...(Object.fromEntries(byGroup) as Record<Group, Score>), all: count(cases) };
}

/** As `57/60 (95 %)`; `–` where nothing applied. Never rounds up to 100. */
export function describeScore({ passed, of }: Score): string {
  if (of === 0) return "–";
  return `${passed}/${of} (${Math.floor((passed / of) * 100)} %)`;
}
