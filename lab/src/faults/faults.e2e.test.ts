import { describe, expect, test } from "vitest";
import { labProblem } from "../requirements.ts";
import { faults } from "./faults.ts";
import { runFaults } from "./run-faults.ts";
import { summarise } from "./summarise.ts";

// Elsewhere the test run lists the lab as untested; under CI a lab that cannot run is a failure.
const canRun = labProblem() === undefined || process.env.CI === "true";

const chosen = faults.filter(({ name }) =>
  ["every process killed at once", "nft flush ruleset", "the upstream dies"].includes(name),
);

describe.runIf(canRun)("the protection under faults", () => {
  test("no packet gets out beside the tunnel, and traffic comes back without a hand", async () => {
    const report = await runFaults({ count: chosen.length, among: chosen });
    const { bad, faults: tried, probes } = summarise(report.results);
    expect(bad).toEqual([]);
    expect(tried).toBe(3);
    expect(probes).toBeGreaterThan(3 * 42);
  });
});
