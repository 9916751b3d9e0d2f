import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Finding, UpstreamHealth } from "./upstream-health.ts";

const settings = { failures: 3, share: 0.5, windowSeconds: 30, restSeconds: 5, longestRestSeconds: 20 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const later = (ms: number) => vi.setSystemTime(Date.now() + ms);

function health(reachable: () => boolean = () => true) {
  const probe = vi.fn(async () => {
    if (!reachable()) throw new Error("unreachable");
  });
  return { probe, health: new UpstreamHealth({ settings, probe, clock: Date.now }) };
}

function failUntilResting(one: UpstreamHealth): void {
  for (let times = 0; times < settings.failures; times++) one.found("ill");
  expect(one.state).toBe("resting");
}

describe("it rests", () => {
  test("after so many failures in a row, and not when a success came between", () => {
    const { health: one } = health();
    for (const finding of ["ill", "ill", "well", "ill", "ill"] as const) one.found(finding);
    expect(one.mayTry()).toBe(true);
    one.found("ill");
    expect(one.mayTry()).toBe(false);
  });

  test("when most of many flows fail without a clear culprit, but not for the dead targets of a few", () => {
    const { health: one } = health();
    for (let flow = 0; flow < 9; flow++) one.found("doubtful");
    expect(one.state).toBe("up");
    const { health: busy } = health();
    for (let flow = 0; flow < 30; flow++) busy.found("well");
    for (let flow = 0; flow < 29; flow++) busy.found("doubtful");
    expect(busy.state).toBe("up");
    for (let flow = 0; flow < 5; flow++) busy.found("doubtful");
    expect(busy.state).toBe("resting");
  });
});

describe("after its rest", () => {
  test("it is looked at without a flow, then tried with one flow at a time, and is up after one success", async () => {
    const { health: one, probe } = health();
    failUntilResting(one);
    later(4_999);
    expect(one.mayTry()).toBe(false);
    expect(probe).not.toHaveBeenCalled();
    later(1);
    expect(one.mayTry()).toBe(false);
    expect(one.mayTry()).toBe(false);
    expect(probe).toHaveBeenCalledTimes(1);
    await expect.poll(() => one.state).toBe("on trial");
    expect([one.mayTry(), one.mayTry()]).toEqual([true, false]);
    one.found("nothing");
    expect(one.mayTry()).toBe(true);
    one.found("well");
    expect([one.state, one.mayTry(), one.mayTry()]).toEqual(["up", true, true]);
  });

  test("a failed trial, or a look in vain, makes the next rest twice as long, up to the longest", async () => {
    let reachable = false;
    const { health: one, probe } = health(() => reachable);
    failUntilResting(one);
    for (const [index, seconds] of [5, 10, 20, 20].entries()) {
      later(seconds * 1_000 - 1);
      one.mayTry();
      expect(probe).toHaveBeenCalledTimes(index);
      later(1);
      one.mayTry();
      expect(probe).toHaveBeenCalledTimes(index + 1);
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    }
    reachable = true;
    later(20_000);
    one.mayTry();
    await expect.poll(() => one.state).toBe("on trial");
    one.found("ill");
    expect(one.state).toBe("resting");
  });

  test("a trial flow that never says how it went does not block it for ever", async () => {
    const { health: one } = health();
    failUntilResting(one);
    later(5_000);
    one.mayTry();
    await expect.poll(() => one.state).toBe("on trial");
    expect(one.mayTry()).toBe(true);
    later(15_000);
    expect(one.mayTry()).toBe(true);
  });
});

test("whatever flows find, an upstream that is up may be tried and one that rests may not", () => {
  const findings = fc.array(fc.constantFrom<Finding>("ill", "doubtful", "well", "nothing"), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(findings, (found) => {
      const { health: one } = health();
      for (const finding of found) {
        one.found(finding);
        expect(one.mayTry()).toBe(one.state === "up");
      }
    }),
  );
});
