import fc from "fast-check";
import { expect, test } from "vitest";
import { creatorOf, isAlive, labPrefix, thisCreator } from "./lab-name.ts";

const number = fc.nat({ max: 2 ** 40 });

test("a namespace's name tells who made it", () => {
  fc.assert(
    fc.property(number, number, fc.nat({ max: 1000 }), (pid, startTicks, count) => {
      expect(creatorOf(`${labPrefix({ pid, startTicks }, count)}-exit-us`)).toEqual({ pid, startTicks });
    }),
  );
});

test("a foreign namespace has no creator of ours", () => {
  for (const name of ["blue", "atl", "atl-1-2", "atl--1-2-client", "cni-1234", "atlas-1-2-3-client"]) {
    expect(creatorOf(name)).toBeUndefined();
  }
});

test.runIf(process.platform === "linux")("this process is alive, and another start of its id is not", () => {
  const creator = thisCreator();
  expect(isAlive(creator)).toBe(true);
  expect(isAlive({ ...creator, startTicks: creator.startTicks + 1 })).toBe(false);
});
