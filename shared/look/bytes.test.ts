import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteUnit, formatBytes, formatExactBytes, formatShareOf, inByteUnit } from "./bytes.ts";

describe("bytes for people", () => {
  it("counts a GB as 10^9 bytes", () => {
    expect(formatBytes(4_130_000_000n, "en")).toBe("4.13 GB");
    expect(formatBytes(38_214_907n, "en")).toBe("38.2 MB");
    expect(formatBytes(999n, "en")).toBe("999 bytes");
    expect(formatBytes(0n, "en")).toBe("0 bytes");
  });

  it("says a part in the unit of its whole", () => {
    expect(formatShareOf(4_100_000_000n, 10_000_000_000n, "en")).toBe("4.1 of 10 GB");
    expect(formatShareOf(38_200_000n, 10_000_000_000n, "en")).toBe("0.04 of 10 GB");
  });

  it("writes every byte where every byte counts", () => {
    expect(formatExactBytes(38_214_907n, "en")).toBe("38,214,907 bytes");
    expect(formatExactBytes(2n ** 62n, "en")).toBe("4,611,686,018,427,387,904 bytes");
  });

  it("never shows a thousand of a unit below the largest", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), (bytes) => {
        const unit = byteUnit(bytes);
        return unit === "gigabyte" || inByteUnit(bytes, unit) < 1000;
      }),
    );
  });
});
