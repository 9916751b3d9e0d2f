import type { FaultPlace } from "./fault.ts";
import { type FaultyMachineOptions, withFaultyMachine } from "./faulty-machine.ts";
import { type FaultResult, NotMendedError } from "./under-probes.ts";

/** One fault that is to be put in. */
export interface Attempt {
  readonly name: string;
  /** Undefined: it could not be put in. */
  run(place: FaultPlace): Promise<FaultResult | undefined>;
}

export interface AttemptReport {
  readonly results: readonly FaultResult[];
  /** Attempts over which the lab itself failed, each with why: these are no faults that were put in. */
  readonly failures: readonly string[];
  readonly daemonStarts: number;
  readonly machines: number;
  readonly seconds: number;
}

export interface AttemptOptions {
  readonly machine: FaultyMachineOptions;
  /** No attempt is begun after so many seconds. */
  readonly withinSeconds: number;
  readonly onResult?: (result: FaultResult) => void;
}

/** After so many machines that had to be built anew, something else is wrong. */
const MOST_MACHINES = 25;

/** Makes the attempts one after the other, on one machine as long as it can be mended after each, else on a new one. */
export async function runAttempts(
  attempts: Iterator<Attempt>,
  { machine, withinSeconds, onResult }: AttemptOptions,
): Promise<AttemptReport> {
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1_000;
  const results: FaultResult[] = [];
  const failures: string[] = [];
  const keep = (result: FaultResult) => {
    results.push(result);
    onResult?.(result);
  };
  let [daemonStarts, machines, isDone] = [0, 0, false];
  while (!isDone && machines < MOST_MACHINES) {
    machines += 1;
    await withFaultyMachine(machine, async (place) => {
      while (!isDone) {
        const next = seconds() < withinSeconds ? attempts.next() : ({ done: true } as const);
        isDone = next.done === true;
        if (next.done) break;
        const attempt = next.value;
        try {
          const result = await attempt.run(place);
          if (result) keep(result);
        } catch (error) {
          if (error instanceof NotMendedError) keep(error.result);
          else failures.push(`${attempt.name}: ${error instanceof Error ? error.message : String(error)}`);
          break;
        }
      }
      daemonStarts += place.product.starts;
    });
  }
  return { results, failures, daemonStarts, machines, seconds: seconds() };
}
