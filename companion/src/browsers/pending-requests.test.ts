import { expect, test } from "vitest";
import { PendingRequests } from "./pending-requests.ts";

const request = { requestId: "1", tabId: 1, frameId: 0, host: "a.test", port: 443, challengeable: true };

test("a redirected request is pending at its new host only", () => {
  const pending = new PendingRequests();
  pending.started(request, 0);
  pending.started({ ...request, host: "b.test" }, 1);
  expect(pending.at("a.test", 443, 1)).toEqual([]);
  expect(pending.at("B.test", 443, 1)).toHaveLength(1);
  expect(pending.at("b.test", 80, 1)).toEqual([]);
});

test("a settled request is gone, and one that never settles is forgotten", () => {
  const pending = new PendingRequests();
  pending.started(request, 0);
  pending.settled("1");
  pending.settled("1");
  pending.started({ ...request, requestId: "2" }, 0);
  expect(pending.at("a.test", 443, 59_000)).toHaveLength(1);
  expect(pending.at("a.test", 443, 61_000)).toEqual([]);
  expect(pending.size).toBe(0);
});

test("a flood forgets the oldest and never grows without bound", () => {
  const pending = new PendingRequests();
  for (let index = 0; index < 20_000; index += 1) {
    pending.started({ ...request, requestId: `${index}`, host: `h${index % 50}.test` }, index / 1_000);
  }
  expect(pending.size).toBeLessThanOrEqual(5_001);
  expect(pending.at("h49.test", 443, 20).at(-1)?.requestId).toBe("19999");
});

test("one answer counts for one request of its tab", () => {
  const pending = new PendingRequests();
  for (const [requestId, tabId] of [
    ["1", 1],
    ["2", 2],
    ["3", 1],
  ] as const) {
    pending.started({ ...request, requestId, tabId }, 0);
  }
  pending.answeredFor(1, "a.test", 443);
  expect(pending.at("a.test", 443, 0).map(({ answered }) => answered)).toEqual([true, false, false]);
  pending.answeredFor(1, "a.test", 443);
  pending.answeredFor(1, "a.test", 443);
  expect(pending.at("a.test", 443, 0).map(({ answered }) => answered)).toEqual([true, false, true]);
});
