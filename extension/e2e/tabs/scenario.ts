import type { Stage } from "./stage.ts";
import type { Scorer } from "./tally.ts";

/** One thing that people do with tabs, done in the real browser and scored by what the sites saw. */
export interface Scenario {
  readonly name: string;
  /** Faults that a score does not show are thrown. */
  readonly run: (stage: Stage) => Promise<Scorer>;
}

/** @throws Error unless the condition holds */
export function demand(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
