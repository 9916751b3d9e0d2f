import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { expect, test } from "vitest";
import { capabilitiesFinding, examineProtection, kernelFinding } from "./examine-protection.ts";

const view: ProtectionView = {
  state: "connected",
  since: 0,
  lockdown: false,
  allowLan: false,
  upstream: "a",
  problem: null,
  blockingFailed: false,
  holding: "owned",
  verdict: null,
  breaches: 0,
  blockedNames: 0,
};

test.each([
  ["6.18.4", "good"],
  ["6.9.0-1-amd64", "good"],
  ["6.8.0-45-generic", "warning"],
  ["7.0.1", "good"],
  ["5.15.0", "warning"],
])("the kernel %s is %s", (version, verdict) => {
  expect(kernelFinding(version, null).verdict).toBe(verdict);
});

test("a capability that is missing is named, and bad only where protection is asked for", () => {
  const without = "CapEff:\t0000000000001400\n";
  expect(capabilitiesFinding(view, without)).toMatchObject({ verdict: "bad" });
  expect(capabilitiesFinding(view, without).detail).toContain("CAP_NET_RAW");
  expect(capabilitiesFinding(null, without)).toMatchObject({ verdict: "good" });
  expect(capabilitiesFinding(view, "CapEff:\t0000000000003400\n")).toMatchObject({ verdict: "good" });
});

test.runIf(process.platform === "linux")(
  "rules that could not be put up are bad, whatever the state says",
  () => {
    const findings = examineProtection({ ...view, blockingFailed: true, problem: "no netlink" });
    expect(findings.at(-1)).toMatchObject({ name: "Protection", verdict: "bad" });
    expect(findings.at(-1)?.detail).toContain("no netlink");
  },
);
