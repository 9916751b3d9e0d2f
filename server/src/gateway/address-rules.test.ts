import { describe, expect, test } from "vitest";
import { isAllowed, isPublicAddress, parseAllowedRange } from "./address-rules.ts";

describe("addresses that no exit may reach", () => {
  test.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "::ffff:127.0.0.1",
    "::ffff:a00:1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::10.0.0.1",
    "0177.0.0.1",
    "0x7f.1",
    "127.1",
    "2130706433",
    "fe80::1%eth0",
    "localhost",
    "",
  ])("%s", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

test.each([
  "1.1.1.1",
  "100.63.255.255",
  "172.32.0.1",
  "198.20.0.1",
  "2606:4700::1111",
  "::ffff:1.1.1.1",
  "64:ff9b::101:101",
])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

describe("the allow-list", () => {
  test.each<[string, string, number, boolean]>([
    ["127.0.0.1:8080", "127.0.0.1", 8080, true],
    ["127.0.0.1:8080", "127.0.0.1", 8081, false],
    ["127.0.0.1:8080", "::ffff:127.0.0.1", 8080, true],
    ["10.9.0.0/16", "10.9.3.4", 1, true],
    ["10.9.0.0/16", "10.10.0.1", 1, false],
    ["10.9.0.0/16:443", "10.9.0.1", 443, true],
    ["[fd00::1]:443", "fd00::1", 443, true],
    ["fd00::/8", "fd12::1", 443, true],
    ["fd00::/8", "fc00::1", 443, false],
  ])("%s %s:%d → %s", (range, address, port, allowed) => {
    expect(isAllowed(address, port, [parseAllowedRange(range)])).toBe(allowed);
  });

  test.each(["", "localhost", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:99999", "[fd00::1"])(
    "%j is refused",
    (text) => {
      expect(() => parseAllowedRange(text)).toThrow(/is not an address range/);
    },
  );
});
