import { expect, test } from "vitest";
import type { Pending } from "../browsers/pending-requests.ts";
import { judgeGate } from "./challenge-gate.ts";

let last = 0;
function pending(frame: [number, number], challengeable: boolean, answered = false): Pending {
  last += 1;
  const [tabId, frameId] = frame;
  return {
    requestId: `${last}`,
    tabId,
    frameId,
    host: "a.test",
    port: 443,
    challengeable,
    since: 0,
    answered,
  };
}

test("nothing pending is unseen: a challenge might show a dialog", () => {
  expect(judgeGate([])).toEqual({ kind: "unseen" });
});

test("requests that can answer open the gate", () => {
  expect(judgeGate([pending([1, 0], true), pending([2, 0], true, true)])).toEqual({ kind: "open" });
});

test("an image opens it only with a request of the same frame that can answer, and has not answered yet", () => {
  expect(judgeGate([pending([1, 0], false), pending([1, 0], true)])).toEqual({ kind: "open" });
  expect(judgeGate([pending([1, 0], false), pending([1, 0], true, true)])).toMatchObject({
    kind: "helpless",
  });
  expect(judgeGate([pending([1, 0], false), pending([1, 7], true)])).toEqual({
    kind: "helpless",
    frames: [{ tabId: 1, frameId: 0 }],
  });
});

test("each frame that needs a helper is named once", () => {
  const verdict = judgeGate([pending([1, 0], false), pending([1, 0], false), pending([2, 3], false)]);
  expect(verdict).toEqual({
    kind: "helpless",
    frames: [
      { tabId: 1, frameId: 0 },
      { tabId: 2, frameId: 3 },
    ],
  });
});
