import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import type { Tally } from "./tally.ts";

export interface Result extends Tally {
  readonly name: string;
  /** Requests that went past the companion. */
  readonly pastProxy: number;
  /** What else was wrong, or null. */
  readonly fault: string | null;
  /** Of what was misrouted and broken, the first few. */
  readonly examples: readonly string[];
}

const NOTHING: Tally = { requests: 0, right: 0, misrouted: 0, broken: 0 };
const PATIENCE_MS = 280_000;
const EXAMPLES = 5;

/** Runs one scenario and leaves one empty tab behind, whatever came of it. */
export async function runScenario(stage: Stage, { name, run }: Scenario): Promise<Result> {
  const before = stage.tripwire.visits();
  const tooLong = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("It took too long.")), PATIENCE_MS).unref();
  });
  try {
    const scorer = await Promise.race([run(stage), tooLong]);
    const misrouted = scorer
      .misrouted()
      .map((one) => `${one.letter} ${one.host}${one.path} from ${one.place}`);
    const examples = [...misrouted, ...scorer.broken()].slice(0, EXAMPLES);
    return { name, ...scorer.tally(), pastProxy: stage.tripwire.visits() - before, fault: null, examples };
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    return { name, ...NOTHING, pastProxy: stage.tripwire.visits() - before, fault, examples: [] };
  } finally {
    await stage.closeTabs();
  }
}
