import { z } from "zod";
import { median } from "./measure/statistics.ts";

/** One line of a bench's result: the JSON that `--json FILE` writes is an array of these. */
export const rowSchema = z.strictObject({
  suite: z.string(),
  case: z.string(),
  metric: z.string(),
  unit: z.string(),
  /** Median over the rounds. */
  ours: z.number(),
  /** Median over the same number of rounds, in turn with ours; null where there is nothing to compare with. */
  peer: z.number().nullable(),
  peerName: z.string().nullable(),
  /** ours / peer, of the medians. */
  ratio: z.number().nullable(),
  /** Which way is good. */
  better: z.enum(["higher", "lower"]),
  /** What must hold, as in "ratio ≥ 1.5" or "≤ 6 ms"; null where nothing is demanded. */
  bar: z.string().nullable(),
  /** Whether it does; null without a bar. */
  holds: z.boolean().nullable(),
});
export type Row = z.infer<typeof rowSchema>;

/** What must hold of a row. */
export type Bar =
  | { readonly of: "ratio"; readonly atLeast: number }
  | { readonly of: "ratio"; readonly atMost: number }
  | { readonly of: "ours"; readonly atLeast: number }
  | { readonly of: "ours"; readonly atMost: number }
  | { readonly of: "ours"; readonly below: number };

/** What was measured, before it is a row. */
export interface Measured {
  readonly suite: string;
  readonly case: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: Row["better"];
  /** One value for each round. */
  readonly ours: readonly number[];
  readonly peer?: { readonly name: string; readonly rounds: readonly number[] };
  readonly bar?: Bar;
}

/** Makes a row. @throws RangeError when a round is missing or is no finite number: that row was not measured */
export function makeRow(measured: Measured): Row {
  const { suite, metric, unit, better, bar } = measured;
  const ours = median(measured.ours);
  const peer = measured.peer === undefined ? null : median(measured.peer.rounds);
  const ratio = peer === null || peer === 0 ? null : ours / peer;
  return {
    suite,
    case: measured.case,
    metric,
    unit,
    ours: tidy(ours),
    peer: peer === null ? null : tidy(peer),
    peerName: measured.peer?.name ?? null,
    ratio: ratio === null ? null : tidy(ratio),
    better,
    bar: bar === undefined ? null : describeBar(bar, unit),
    holds: bar === undefined ? null : holds(bar, ours, ratio),
  };
}

function holds(bar: Bar, ours: number, ratio: number | null): boolean {
  if (bar.of === "ratio")
    return ratio !== null && ("atLeast" in bar ? ratio >= bar.atLeast : ratio <= bar.atMost);
  if ("atLeast" in bar) return ours >= bar.atLeast;
  return "atMost" in bar ? ours <= bar.atMost : ours < bar.below;
}

function describeBar(bar: Bar, unit: string): string {
  if (bar.of === "ratio")
    return "atLeast" in bar ? `ratio ≥ ${tidy(bar.atLeast)}` : `ratio ≤ ${tidy(bar.atMost)}`;
  if ("atLeast" in bar) return `≥ ${bar.atLeast} ${unit}`;
  return "atMost" in bar ? `≤ ${bar.atMost} ${unit}` : `< ${bar.below} ${unit}`;
}

/** Four significant digits: more would be noise. */
function tidy(value: number): number {
  return Number(value.toPrecision(4));
}
