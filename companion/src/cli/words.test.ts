import { BLOCK, DIRECT } from "@atlantic/shared/routing/route.ts";
import { expect, test } from "vitest";
import { parseRoute, parseScope } from "./parse-route.ts";
import { bytesInWords, counted, durationInWords, routeInWords, table } from "./words.ts";

const exit = (country: string, city: string) => ({
  id: `${country}-${city}`,
  exit: { country, city },
  label: city,
  network: "residential",
  demonstration: false,
  latencyMs: null,
});
const exits = [exit("us", "new_york"), exit("de", "berlin")];

test("a GB is 10^9 bytes", () => {
  expect(["0", "999", "1000", "1500000", "1000000000", "20000000000000"].map(bytesInWords)).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "1.50 MB",
    "1.00 GB",
    "20.00 TB",
  ]);
});

test("time is said in the units that matter", () => {
  expect([-5, 400, 59_000, 61_000, 3_720_000].map(durationInWords)).toEqual([
    "0 s",
    "0 s",
    "59 s",
    "1 min 1 s",
    "1 h 2 min",
  ]);
});

test("an exit is printed by the id that route set takes, whatever region its city is in", () => {
  const berlin = { country: "de", region: "berlin", city: "berlin" };
  expect(routeInWords({ kind: "exit", exit: berlin })).toBe("exit de-berlin");
  expect(routeInWords({ kind: "exit", exit: { country: "us", region: "texas" } })).toBe(
    "exit us region=texas",
  );
});

test("one is one", () => {
  expect([counted(0, "tab"), counted(1, "tab"), counted("1", "request"), counted(2, "tab")]).toEqual([
    "0 tabs",
    "1 tab",
    "1 request",
    "2 tabs",
  ]);
});

test("what route list prints, route set takes", () => {
  for (const route of [DIRECT, { kind: "exit", exit: { country: "us", city: "new_york" } }] as const) {
    expect(parseRoute(routeInWords(route).replace("exit ", ""), exits)).toEqual(route);
  }
  expect(parseRoute("block", [])).toEqual(BLOCK);
  expect(parseRoute("DE", exits)).toEqual({ kind: "exit", exit: { country: "de" } });
});

test("an exit that is not offered is refused with what to do", () => {
  for (const text of ["jp", "de-munich", "everywhere", ""]) {
    expect(() => parseRoute(text, exits)).toThrow(/atlantic exits lists them/);
  }
});

test("one scope and only one", () => {
  expect(parseScope({ tab: "7" })).toEqual({ kind: "tab", tabId: 7 });
  expect(parseScope({ site: "A.test" })).toEqual({ kind: "site", site: "a.test" });
  expect(parseScope({ everything: true })).toEqual({ kind: "everything" });
  for (const options of [{}, { tab: "1", everything: true }, { tab: "x" }])
    expect(() => parseScope(options)).toThrow();
});

test("columns line up, and lines end where their words do", () => {
  expect(
    table(
      ["A", "B"],
      [
        ["long", "x"],
        ["s", ""],
      ],
    ),
  ).toBe("A     B\nlong  x\ns");
});
