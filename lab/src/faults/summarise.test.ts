import { expect, test } from "vitest";
import { summarise } from "./summarise.ts";

const good = { fault: "one", leaks: [], backMs: 10, problem: null, probes: 5 };

test("what leaked, what did not come back and what else was wrong is bad, and kept whole", () => {
  const leaked = { ...good, leaks: ["a packet", "another"] };
  const stuck = { ...good, fault: "two", backMs: null, problem: "not connected" };
  const hung = { ...good, problem: "a flow hung" };
  const summary = summarise([good, leaked, stuck, hung]);
  expect(summary).toMatchObject({ faults: 4, leaked: 2, stuck: 2, probes: 20, bad: [leaked, stuck, hung] });
});

test("results are put together by kind, two faults at once being one", () => {
  const results = [
    good,
    { ...good, backMs: 30 },
    { ...good, fault: "one + two" },
    { ...good, fault: "two + one" },
  ];
  expect(summarise(results).kinds).toEqual([
    { fault: "one", times: 2, backMs: { median: 30, most: 30 } },
    { fault: "two at once", times: 2, backMs: { median: 10, most: 10 } },
  ]);
});
