import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { UpstreamPool } from "./upstream-pool.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function pool(...names: string[]) {
  const down = new Set<string>();
  const probes: string[] = [];
  const lost: string[] = [];
  const found: string[] = [];
  const problems: string[] = [];
  const made = new UpstreamPool({
    names,
    probe: async (name) => {
      probes.push(name);
      if (down.has(name)) throw new Error(`${name} is down`);
    },
    lost: (name) => lost.push(name),
    beatMs: () => 1_000,
  });
  const search = () =>
    made.search({ found: (name) => found.push(name), notYet: (problem) => problems.push(problem) });
  return { made, down, probes, lost, found, problems, search };
}

test("the first in order is found where it answers, and the next where it does not", async () => {
  const { down, found, search } = pool("a", "b", "c");
  search();
  await vi.advanceTimersByTimeAsync(0);
  expect(found).toEqual(["a"]);
  down.add("a");
  search();
  await vi.advanceTimersByTimeAsync(200);
  expect(found).toEqual(["a", "b"]);
});

test("where none answers it is said, and the search goes on until one does", async () => {
  const { down, found, problems, search } = pool("a");
  down.add("a");
  search();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(found).toEqual([]);
  expect(problems[0]).toContain("No upstream answers: a");
  down.delete("a");
  await vi.advanceTimersByTimeAsync(6_000);
  expect(found).toEqual(["a"]);
});

test("an upstream that rests is asked seldom: trials become rarer", async () => {
  const { down, probes, search } = pool("a");
  down.add("a");
  search();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(probes.length).toBeLessThan(40);
});

test("the one in use is given up when it fails twice in a row, and not before", async () => {
  const { made, down, lost } = pool("a", "b");
  made.use("a");
  made.failed("a");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(lost).toEqual([]);
  down.add("a");
  await vi.advanceTimersByTimeAsync(1_100);
  expect(lost).toEqual(["a"]);
});

test("a flow that fails makes the upstream be looked at at once, not at the next beat", async () => {
  const { made, down, lost } = pool("a", "b");
  made.use("a");
  down.add("a");
  made.failed("a");
  await vi.advanceTimersByTimeAsync(10);
  expect(lost).toEqual(["a"]);
});

test("one that is not trusted is passed over although it answers", async () => {
  const { made, found, search } = pool("a", "b");
  await made.distrust("a");
  search();
  await vi.advanceTimersByTimeAsync(200);
  expect(found).toEqual(["b"]);
});

test("a stopped search reports nothing", async () => {
  const { made, found, search } = pool("a");
  search();
  made.stopSearch();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(found).toEqual([]);
});
