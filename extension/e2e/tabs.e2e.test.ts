import { describe } from "vitest";
import { stepByStep } from "./tabs/all-scenarios.ts";
import { proveScenarios } from "./tabs/prove-scenarios.ts";

describe("with the policy, every request leaves by the way of its tab and nothing is broken", () => {
  proveScenarios(stepByStep, { policy: true, isWhole: true });
});
