import fc from "fast-check";
import { expect, test } from "vitest";
import { median, quantile } from "./statistics.ts";

// Adding nothing makes the two zeros one: which of them comes first in an order is nobody's promise.
const value = fc.double({ noNaN: true, min: -1e9, max: 1e9 }).map((number) => number + 0);
const values = fc.array(value, { minLength: 1 });

test("the median has as many values above it as below", () => {
  fc.assert(
    fc.property(values, (list) => {
      const middle = median(list);
      const below = list.filter((value) => value < middle).length;
      const above = list.filter((value) => value > middle).length;
      expect(below).toBeLessThanOrEqual(list.length / 2);
      expect(above).toBeLessThanOrEqual(list.length / 2);
    }),
  );
});

test("quantiles grow with their part, from the least value to the greatest, whatever the order", () => {
  fc.assert(
    fc.property(
      values,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (list, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(quantile(list, low)).toBeLessThanOrEqual(quantile(list, high) + 1e-6);
        expect(quantile(list, 0)).toBe(Math.min(...list));
        expect(quantile(list, 1)).toBe(Math.max(...list));
        expect(quantile(list.toReversed(), low)).toBe(quantile(list, low));
      },
    ),
  );
});

test("between two values the quantile lies between them in proportion", () => {
  expect(quantile([10, 20], 0.25)).toBe(12.5);
  expect(median([1, 2, 3, 10])).toBe(2.5);
});

test("nothing measured is an error and not a zero", () => {
  expect(() => median([])).toThrow(RangeError);
  expect(() => median([1, Number.NaN])).toThrow(RangeError);
  expect(() => median([1, Number.POSITIVE_INFINITY])).toThrow(RangeError);
});
