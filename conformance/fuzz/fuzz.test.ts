import { describe, expect, test } from "vitest";
import { runTarget } from "./run-target.ts";
import { allTargets, shareOf } from "./targets/all-targets.ts";

describe("whatever comes from outside", () => {
  test.each(allTargets.map((target) => [target.name, target] as const))("%s", (_, target) => {
    expect(runTarget(target, { inputs: shareOf(target, 50_000), seed: 1 })).toBeUndefined();
  });
});
