import type { AttemptReport } from "./run-attempts.ts";
import type { FaultResult } from "./under-probes.ts";

/** What one kind of fault came to. Times are milliseconds until traffic was back. */
export interface KindSummary {
  readonly fault: string;
  readonly times: number;
  readonly backMs: { readonly median: number; readonly most: number } | null;
}

export interface FaultSummary {
  readonly faults: number;
  readonly leaked: number;
  /** How often traffic did not come back by itself, or something else was not as it must be. */
  readonly stuck: number;
  readonly probes: number;
  readonly backMs: { readonly median: number; readonly p95: number; readonly most: number };
  readonly kinds: readonly KindSummary[];
  /** Those that were not as they must be, whole. */
  readonly bad: readonly FaultResult[];
}

/** @param kindOf by what results are put together; default the fault's name, two at once being one kind */
export function summarise(
  results: readonly FaultResult[],
  kindOf: (result: FaultResult) => string = ({ fault }) => (fault.includes(" + ") ? "two at once" : fault),
): FaultSummary {
  const bad = results.filter((result) => !isGood(result));
  const kinds = Map.groupBy(results, kindOf);
  return {
    faults: results.length,
    leaked: results.reduce((sum, { leaks }) => sum + leaks.length, 0),
    stuck: results.filter(({ problem }) => problem !== null).length,
    probes: results.reduce((sum, { probes }) => sum + probes, 0),
    backMs: { median: at(results, 0.5), p95: at(results, 0.95), most: at(results, 1) },
    kinds: [...kinds].map(([fault, each]) => ({
      fault,
      times: each.length,
      backMs: each.some(({ backMs }) => backMs !== null)
        ? { median: at(each, 0.5), most: at(each, 1) }
        : null,
    })),
    bad,
  };
}

function isGood({ leaks, problem }: FaultResult): boolean {
  return leaks.length === 0 && problem === null;
}

function at(results: readonly FaultResult[], share: number): number {
  const times = results.flatMap(({ backMs }) => backMs ?? []).sort((one, other) => one - other);
  return Math.round(times[Math.min(Math.floor(times.length * share), times.length - 1)] ?? 0);
}

/** For people, at the end of a run. */
export function inWords(
  { faults, probes, leaked, stuck, backMs }: FaultSummary,
  { failures, seconds }: Pick<AttemptReport, "failures" | "seconds">,
): string {
  return (
    `${faults} faults, ${probes} probes under them, ${leaked} packets outside that must not be, ` +
    `${stuck} times something did not come back by itself; traffic was back after ${backMs.median} ms (median), ` +
    `${backMs.p95} ms (95 %), ${backMs.most} ms (at most); ${seconds.toFixed(0)} s.\n` +
    failures.map((failure) => `The lab failed: ${failure}\n`).join("")
  );
}

export function lineOf(result: FaultResult): string {
  const { fault, leaks, backMs, problem } = result;
  const back = backMs === null ? "not back" : `back after ${backMs.toFixed(0)} ms`;
  const more = [...leaks.map((leak) => `leaked: ${leak}`), ...(problem === null ? [] : [problem])];
  return `${isGood(result) ? "good" : "BAD "}  ${fault}: ${back}\n${more.map((line) => `    ${line}\n`).join("")}`;
}
