import fc from "fast-check";
import { expect, test } from "vitest";
import { faultsOf, type Limits, limitsAsText, limitsOfText } from "./limitsText.ts";

const none = {
  requestsPerSecond: "",
  megabytesPerSecond: "",
  connections: "",
  allowedPorts: "",
  allowedTargets: "",
  blockedTargets: "",
};

test("whatever the server keeps is written and read back the same", () => {
  const limit = (most: number) =>
    fc.oneof(fc.integer({ min: 1, max: most }), fc.constant("unlimited" as const), fc.constant(null));
  const words = fc.array(fc.stringMatching(/^[a-z0-9.*:/-]{1,20}$/), { minLength: 1, maxLength: 5 });
  const limits: fc.Arbitrary<Limits> = fc.record({
    credentialId: fc.constant("one"),
    requestsPerSecond: limit(100_000),
    bandwidthLimit: fc.oneof(
      fc.bigInt({ min: 1_000n, max: 100_000_000_000n }).map(String),
      fc.constant("unlimited" as const),
      fc.constant(null),
    ),
    connections: limit(5_000),
    allowedPorts: fc.option(words),
    allowedTargets: fc.option(words),
    blockedTargets: fc.oneof(words, fc.constant<string[]>([])),
  });
  fc.assert(
    fc.property(limits, (kept) => {
      expect(limitsOfText(limitsAsText(kept), "one")).toEqual({ limits: kept });
    }),
  );
});

test.each([
  ["requestsPerSecond", "0"],
  ["requestsPerSecond", "1.5"],
  ["connections", "many"],
  ["connections", "5001"],
  ["megabytesPerSecond", "0.0001"],
  ["megabytesPerSecond", "2 MB"],
] as const)("%s %j is refused at its field", (field, written) => {
  expect(limitsOfText({ ...none, [field]: written }, null)).toEqual({
    faults: { [field]: expect.stringContaining("Write a") },
  });
});

test("unlimited for the account is no limit", () => {
  expect(limitsOfText({ ...none, connections: "Unlimited" }, null)).toMatchObject({
    limits: { connections: null },
  });
});

test("a sentence of the server stands at the field that it names, any other nowhere", () => {
  expect(faultsOf('allowedPorts: "99999" is not a port.')).toEqual({
    allowedPorts: '"99999" is not a port.',
  });
  expect(faultsOf("The database is away.")).toEqual({});
  expect(faultsOf("toString: no.")).toEqual({});
});
