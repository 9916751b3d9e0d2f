import { expect, test } from "vitest";
import { isFake } from "./fake-addresses.ts";

test("addresses that stand for names, and the tunnel's own, are known up to their borders", () => {
  for (const own of ["198.18.0.1", "198.19.255.255", "fd61:746c::1", "fd61:746c:1::5", "FD61:746C:ffff::"])
    expect(isFake(own)).toBe(true);
  for (const other of [
    "198.17.255.255",
    "198.20.0.0",
    "fd61:746b:ffff::",
    "fd61:746d::",
    "::ffff:8.8.8.8",
    "::1",
  ])
    expect(isFake(other)).toBe(false);
});
