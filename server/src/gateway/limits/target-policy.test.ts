import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPortRange, readTargetPattern, TargetPolicy, type TargetRules } from "./target-policy.ts";

const policy = (rules: Partial<TargetRules>) =>
  new TargetPolicy({ allowedPorts: null, allowedTargets: null, blockedTargets: [], ...rules });

describe("a target pattern", () => {
  test.each([
    ["Example.COM", "example.com"],
    ["*.example.com", "*.example.com"],
    ["*", "*"],
    ["*:443", "*:443"],
    ["example.com.", "example.com"],
    ["example.com:8000-8999", "example.com:8000-8999"],
    ["198.51.100.7", "198.51.100.7"],
    ["198.51.100.0/24:443", "198.51.100.0/24:443"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["[2001:db8::1]:443", "[2001:db8::1]:443"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
  ])("%s is %s", (text, spelled) => {
    expect(readTargetPattern(text)).toBe(spelled);
    expect(readTargetPattern(spelled)).toBe(spelled);
  });

  test.each([
    "",
    "http://example.com",
    "exa mple.com",
    "*.*.com",
    "a.*.com",
    "010.1.1.1",
    "0x7f.1",
    "127.1",
    "1.2.3.4/33",
    "example.com:0",
    "example.com:9-8",
    "example.com:70000",
    "::ffff:1.2.3.4/100",
    "fe80::1%eth0",
    "-a.com",
    "a..com",
  ])("%j is none", (text) => {
    expect(readTargetPattern(text)).toMatchObject({ problem: expect.stringContaining("is not a target") });
  });

  test("of any text is either refused with a sentence or spelled in a way that reads as itself", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), (text) => {
        const pattern = readTargetPattern(text);
        if (typeof pattern !== "string") return pattern.problem.length > 0;
        return readTargetPattern(pattern) === pattern && policy({ allowedTargets: [pattern] }) !== undefined;
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each(["0", "65536", "80-", "-80", "90-80", "http", "8e1", ""])("%j is no port", (text) => {
  expect(readPortRange(text)).toMatchObject({ problem: expect.stringContaining("is not a port") });
});

describe("a policy", () => {
  test("without rules lets everything through", () => {
    expect(policy({}).isOpen).toBe(true);
    expect(policy({}).refusal("anything", 1)).toBeUndefined();
  });

  test("allows names below a wildcard, not the name itself nor one that only ends alike", () => {
    const some = policy({ allowedTargets: ["*.example.com", "one.test:443"] });
    expect(some.refusal("a.b.EXAMPLE.com.", 80)).toBeUndefined();
    expect(some.refusal("example.com", 80)).toBeDefined();
    expect(some.refusal("notexample.com", 80)).toBeDefined();
    expect(some.refusal("one.test", 443)).toBeUndefined();
    expect(some.refusal("one.test", 80)).toBeDefined();
  });

  test("with allowed ranges waits for a name's addresses, and wants all of them inside", () => {
    const some = policy({ allowedTargets: ["198.51.100.0/24"] });
    expect(some.refusal("name.test", 80)).toBeUndefined();
    expect(some.refusal("name.test", 80, ["198.51.100.1", "::ffff:198.51.100.2"])).toBeUndefined();
    expect(some.refusal("name.test", 80, ["198.51.100.1", "8.8.8.8"])).toBeDefined();
    expect(some.refusal("name.test", 80, [])).toBeDefined();
    expect(some.refusal("198.51.100.1", 80)).toBeUndefined();
    expect(some.refusal("8.8.8.8", 80)).toBeDefined();
  });

  test("blocks above what it allows, by any one of a name's addresses", () => {
    const some = policy({ allowedTargets: ["*"], blockedTargets: ["10.0.0.0/8", "bad.test"] });
    expect(some.refusal("bad.test", 80)).toContain('"bad.test"');
    expect(some.refusal("name.test", 80, ["8.8.8.8", "10.1.1.1"])).toContain("10.0.0.0/8");
    expect(some.refusal("name.test", 80, ["8.8.8.8"])).toBeUndefined();
    expect(some.needsAddresses("name.test")).toBe(true);
    expect(some.needsAddresses("1.1.1.1")).toBe(false);
  });

  test("with an empty list of what is allowed allows nothing", () => {
    expect(policy({ allowedTargets: [] }).refusal("a.test", 80)).toBeDefined();
    expect(policy({ allowedPorts: [] }).refusal("a.test", 80)).toBeDefined();
  });

  test("that cannot be read is an error, and lets nothing through", () => {
    expect(() => policy({ blockedTargets: ["http://x"] })).toThrow();
    expect(() => policy({ allowedPorts: ["0"] })).toThrow();
  });
});
