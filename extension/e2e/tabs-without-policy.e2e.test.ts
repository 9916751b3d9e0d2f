import { describe } from "vitest";
import { withoutPolicy } from "./tabs/all-scenarios.ts";
import { proveScenarios } from "./tabs/prove-scenarios.ts";

describe("without the policy, some images of other sites fail and still nothing leaves by a wrong way", () => {
  proveScenarios(withoutPolicy, { policy: false, isWhole: false });
});
