import { expect, test } from "vitest";
import { readArguments } from "./arguments.ts";

const known = ["gateway", "api"];

test("without names every suite runs", () => {
  expect(readArguments([], known)).toEqual({ suites: known, json: null, rounds: 5, only: null, help: false });
});

test("suites, the file and the rounds are taken as they are given", () => {
  expect(readArguments(["api", "--json", "out.json", "--rounds", "3"], known)).toMatchObject({
    suites: ["api"],
    json: "out.json",
    rounds: 3,
  });
});

test("what cannot be read is refused with what can", () => {
  expect(() => readArguments(["gatway"], known)).toThrow('no suite "gatway". There are: gateway, api.');
  expect(() => readArguments(["--rounds", "0"], known)).toThrow("--rounds");
  expect(() => readArguments(["--jsn", "x"], known)).toThrow("--jsn");
});
