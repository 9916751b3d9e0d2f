import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bar, makeRow, rowSchema } from "./row.ts";

const base = {
  suite: "gateway",
  case: "forward",
  metric: "requests",
  unit: "1/s",
  better: "higher",
} as const;

test("a row has the shape that other programs read", () => {
  const rounds = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 9 });
  const bar = fc.constantFrom<(Bar | undefined)[]>(
    undefined,
    { of: "ratio", atLeast: 1.5 },
    { of: "ours", atMost: 6 },
    { of: "ours", below: 150 },
  );
  fc.assert(
    fc.property(rounds, fc.option(rounds, { nil: undefined }), bar, (ours, peer, demanded) => {
      const row = makeRow({
        ...base,
        ours,
        ...(peer && { peer: { name: "squid", rounds: peer } }),
        ...(demanded && { bar: demanded }),
      });
      expect(rowSchema.parse(JSON.parse(JSON.stringify(row)))).toEqual(row);
      expect(row.peer === null).toBe(peer === undefined);
      expect(row.holds === null).toBe(demanded === undefined);
    }),
  );
});

test("medians are compared, so one bad round changes nothing", () => {
  const row = makeRow({ ...base, ours: [300, 310, 5], peer: { name: "squid", rounds: [150, 149, 9000] } });
  expect(row).toMatchObject({ ours: 300, peer: 150, ratio: 2 });
});

test("a bar holds exactly from its limit on", () => {
  const ratio: Bar = { of: "ratio", atLeast: 1.5 };
  const against = (ours: number) =>
    makeRow({ ...base, ours: [ours], peer: { name: "squid", rounds: [100] }, bar: ratio });
  expect(against(150)).toMatchObject({ bar: "ratio ≥ 1.5", holds: true });
  expect(against(149.9).holds).toBe(false);
  const alone = (ours: number, bar: Bar) => makeRow({ ...base, unit: "ms", ours: [ours], bar });
  expect(alone(6, { of: "ours", atMost: 6 })).toMatchObject({ bar: "≤ 6 ms", holds: true });
  expect(alone(150, { of: "ours", below: 150 })).toMatchObject({ bar: "< 150 ms", holds: false });
});

test("a bar on a ratio does not hold without a peer", () => {
  expect(makeRow({ ...base, ours: [1], bar: { of: "ratio", atLeast: 1 } }).holds).toBe(false);
});

test("a row without rounds cannot be made", () => {
  expect(() => makeRow({ ...base, ours: [] })).toThrow("Nothing was measured");
  expect(() => makeRow({ ...base, ours: [1], peer: { name: "squid", rounds: [] } })).toThrow();
});
