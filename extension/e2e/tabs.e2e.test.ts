import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutPolicy, withPolicy } from "./tabs/all-scenarios.ts";
import { runScenario } from "./tabs/run-scenario.ts";
import { Stage } from "./tabs/stage.ts";

describe("with the policy, every request leaves by the way of its tab and nothing is broken", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ policy: true });
  });
  afterAll(() => stage.close());

  it.each(withPolicy)("$name", async (scenario) => {
    const result = await runScenario(stage, scenario);
    expect(result, result.examples.join("\n")).toMatchObject({
      fault: null,
      misrouted: 0,
      broken: 0,
      pastProxy: 0,
    });
  });
});

describe("without the policy, some images of other sites fail and still nothing leaves by a wrong way", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ policy: false });
  });
  afterAll(() => stage.close());

  it.each(withoutPolicy)("$name", async (scenario) => {
    const result = await runScenario(stage, scenario);
    expect(result, result.examples.join("\n")).toMatchObject({ fault: null, misrouted: 0, pastProxy: 0 });
  });
});
