import type { FuzzTarget } from "./fuzz-target.ts";
import { Random } from "./random.ts";

/** No input takes longer, whatever it is. */
const INPUT_MS = 250;

export interface TargetFailure {
  readonly target: string;
  /** The number of the input in the run of this target, for `--seed`. */
  readonly index: number;
  /** Base64. */
  readonly input: string;
  readonly problem: string;
}

/** What a target may be given while it runs. */
export interface RunOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Called now and then with how many inputs are through. */
  progress?(done: number): void;
}

const STEP = 512;

/** Gives a target its inputs. @returns what failed first; undefined when nothing did */
export function runTarget(
  target: FuzzTarget,
  { inputs, seed, progress }: RunOptions,
): TargetFailure | undefined {
  const random = new Random(seed);
  let stepBegan = performance.now();
  for (let index = 0; index < inputs; index += 1) {
    const input = target.input(random);
    const fails = (problem: string): TargetFailure => ({
      target: target.name,
      index,
      input: input.toString("base64"),
      problem,
    });
    try {
      target.check(input, random);
    } catch (error) {
      return fails(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    }
    if (index % STEP !== STEP - 1) continue;
    progress?.(index + 1);
    const now = performance.now();
    if (now - stepBegan > STEP * INPUT_MS)
      return fails(`${STEP} inputs took ${Math.round(now - stepBegan)} ms.`);
    stepBegan = now;
  }
  progress?.(inputs);
  return undefined;
}
