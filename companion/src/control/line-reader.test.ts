import fc from "fast-check";
import { expect, test } from "vitest";
import { LineReader } from "./line-reader.ts";

test("lines are read whole and in order wherever the stream is cut, inside a character too", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.jsonValue().map((value) => JSON.stringify(value)),
        { maxLength: 15 },
      ),
      fc.array(fc.nat(), { maxLength: 40 }),
      (lines, places) => {
        const whole = Buffer.from(lines.map((line) => `${line}\r\n\n`).join(""));
        const at = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].sort(
          (a, b) => a - b,
        );
        const reader = new LineReader();
        const read = at.slice(1).flatMap((end, index) => reader.push(whole.subarray(at[index], end)));
        expect(read).toEqual(lines);
      },
    ),
  );
});

test("a line may be as long as the limit and not longer, in one chunk or in many", () => {
  expect(new LineReader(4).push(Buffer.from("1234\n"))).toEqual(["1234"]);
  expect(() => new LineReader(4).push(Buffer.from("12345\n"))).toThrow();
  const reader = new LineReader(4);
  reader.push(Buffer.from("123"));
  expect(() => reader.push(Buffer.from("45"))).toThrow();
});
