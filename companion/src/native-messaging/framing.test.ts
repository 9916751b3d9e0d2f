import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, FrameReader, FrameTooLongError } from "./framing.ts";
import { LineCutter } from "./line-cutter.ts";

/** Cuts a buffer at arbitrary places. */
function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => whole.subarray(at[index], end));
}

test("messages are read back whole and in order, wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 200 }), { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (messages, places) => {
        const reader = new FrameReader();
        const read = cut(Buffer.concat(messages.map(encodeFrame)), places).flatMap((chunk) =>
          reader.push(chunk),
        );
        expect(read).toEqual(messages);
      },
    ),
  );
});

test("a frame that is too long is refused by its length alone, and no bytes make the reader do anything else", () => {
  expect(() => new FrameReader().push(Buffer.from([255, 255, 255, 255]))).toThrow(FrameTooLongError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        new FrameReader().push(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(FrameTooLongError);
      }
    }),
  );
});

test("lines are cut wherever the text is", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1 }).filter((line) => !line.includes("\n"))),
      fc.array(fc.nat(), { maxLength: 20 }),
      (lines, places) => {
        const cutter = new LineCutter();
        const text = lines.map((line) => `${line}\n`).join("");
        const at = [0, ...places.map((place) => place % (text.length + 1)), text.length].sort(
          (a, b) => a - b,
        );
        const read = at.slice(1).flatMap((end, index) => cutter.push(text.slice(at[index], end)));
        expect(read).toEqual(lines);
      },
    ),
  );
});
