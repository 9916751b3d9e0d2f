import { describe } from "vitest";
import { underLoad } from "./tabs/all-scenarios.ts";
import { proveScenarios } from "./tabs/prove-scenarios.ts";

describe("with the policy and under load, every request leaves by the way of its tab and nothing is broken", () => {
  proveScenarios(underLoad, { policy: true, isWhole: true });
});
