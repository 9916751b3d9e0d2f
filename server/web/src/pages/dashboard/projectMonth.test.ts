import { describe, expect, it } from "vitest";
import { projectMonth } from "./projectMonth.ts";

const day = { sentBytes: "1000", receivedBytes: "9000" };
const november = Date.UTC(2026, 10, 24);

describe("what the month will come to", () => {
  it("adds the days that are left at the pace of the last seven", () => {
    const week = Array.from({ length: 7 }, () => day);
    expect(projectMonth(100_000n, week, november, null)).toBe(100_000n + 7n * 10_000n);
  });

  it("ends when the allowance is renewed, when that is known", () => {
    const week = Array.from({ length: 7 }, () => day);
    const tomorrow = november + 24 * 60 * 60 * 1000;
    expect(projectMonth(0n, week, november, tomorrow)).toBe(10_000n);
    expect(projectMonth(5n, week, november, november - 1)).toBe(5n);
  });

  it("keeps what was used when nothing flowed lately", () => {
    expect(projectMonth(42n, [], november, null)).toBe(42n);
  });
});
