import { describe, expect, test } from "vitest";
import { ConnectionGuard } from "./connection-guard.ts";
import { RequestBucket } from "./request-bucket.ts";

describe("a flood of connections", () => {
  test("that never log in ends at the limit of one address, and leaves other addresses alone", () => {
    const guard = new ConnectionGuard({ strangersAtOnce: 10, strangersPerSecond: 5 }, () => 0);
    const accepted = Array.from({ length: 100 }, () => guard.accept("1.1.1.1")).filter(Boolean).length;
    expect(accepted).toBe(10);
    expect(guard.accept("2.2.2.2")).toBe(true);
    expect(guard.turnedAway).toBe(90);
  });

  test("that come and go is slowed to so many a second", () => {
    let now = 0;
    const guard = new ConnectionGuard({ strangersAtOnce: 10, strangersPerSecond: 5 }, () => now);
    let accepted = 0;
    for (; now < 10_000; now += 10) {
      if (!guard.accept("1.1.1.1")) continue;
      accepted += 1;
      guard.closed("1.1.1.1");
    }
    expect(accepted).toBeGreaterThanOrEqual(55);
    expect(accepted).toBeLessThanOrEqual(61);
  });

  test("of a customer is none, however fast it is, until it has shown nothing for a minute", () => {
    let now = 0;
    const guard = new ConnectionGuard({ strangersAtOnce: 10, strangersPerSecond: 1 }, () => now);
    const coming = () => Array.from({ length: 1_000 }, () => guard.arrive("1.1.1.1")).filter(Boolean).length;
    expect(coming()).toBe(10);
    guard.known("1.1.1.1");
    expect(coming()).toBe(1_000);
    now = 60_000;
    expect(coming()).toBe(10);
  });

  test("counts a person's IPv6 addresses as one, and an IPv4 client in either spelling", () => {
    const guard = new ConnectionGuard({ strangersAtOnce: 1 }, () => 0);
    expect(guard.accept("2001:db8:1:2::1")).toBe(true);
    expect(guard.accept("2001:db8:1:2:ffff::7")).toBe(false);
    expect(guard.accept("2001:db8:1:3::1")).toBe(true);
    expect(guard.accept("::ffff:1.1.1.1")).toBe(true);
    expect(guard.accept("1.1.1.1")).toBe(false);
  });

  test("also of customers has an end", () => {
    const guard = new ConnectionGuard({ connections: 3 }, () => 0);
    guard.known("1.1.1.1");
    for (let count = 0; count < 3; count++) expect(guard.accept("1.1.1.1")).toBe(true);
    expect(guard.accept("1.1.1.1")).toBe(false);
    guard.closed("1.1.1.1");
    expect(guard.accept("1.1.1.1")).toBe(true);
  });
});

describe("requests per second", () => {
  test("are let through one second's worth at once, and then as time passes", () => {
    let now = 0;
    const bucket = new RequestBucket(5, () => now);
    const taken = () => Array.from({ length: 20 }, () => bucket.take()).filter(Boolean).length;
    expect(taken()).toBe(5);
    now += 400;
    expect(taken()).toBe(2);
    now += 10_000;
    expect(taken()).toBe(5);
  });

  test("that are set again take effect at once, and give no new burst", () => {
    const now = 0;
    const bucket = new RequestBucket(2, () => now);
    expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
    bucket.set(100);
    expect(bucket.take()).toBe(false);
    bucket.set(null);
    expect(bucket.take()).toBe(true);
    bucket.set(1);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
  });
});
