import { expect, test } from "vitest";
import { TargetChecks } from "./target-checks.ts";

test("what was decided is believed until somebody's limits change", () => {
  let [asked, epoch] = [0, 0];
  const target = { host: "a.test", port: 53, addresses: ["203.0.113.1"], addressPort: 53 };
  const check = () => {
    asked += 1;
    if (epoch > 0) throw new Error("blocked by now");
    return target;
  };
  const checks = new TargetChecks(
    check,
    () => 0,
    () => epoch,
  );
  expect([checks.of("a.test", 53), checks.of("a.test", 53)]).toEqual([target, target]);
  expect(asked).toBe(1);
  epoch = 1;
  expect(checks.of("a.test", 53)).toBeUndefined();
});
