import { afterAll, beforeAll, expect, it } from "vitest";
import { runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";

export interface ProofOptions {
  /** Whether the policy AllowCrossOriginAuthPrompt is on. */
  readonly policy: boolean;
  /** Whether everything that pages ask for must come. */
  readonly isWhole: boolean;
}

/** A test for each scenario, all on one stage. A failure names what was misrouted or broken, and why. */
export function proveScenarios(scenarios: readonly Scenario[], { policy, isWhole }: ProofOptions): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ policy });
  });
  afterAll(() => stage?.close());

  it.each(scenarios)("$name", async (scenario) => {
    const result = await runScenario(stage, scenario);
    const right = { fault: null, misrouted: 0, pastProxy: 0, ...(isWhole && { broken: 0 }) };
    expect(result, result.examples.join("\n")).toMatchObject(right);
  });
}
