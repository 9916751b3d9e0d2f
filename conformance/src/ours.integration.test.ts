import { afterAll, beforeAll, expect, test } from "vitest";
import { allCases } from "./cases/all-cases.ts";
import { runCases } from "./run-cases.ts";
import type { Subject } from "./subject.ts";
import { startOurs } from "./subjects/ours.ts";

let subject: Subject;

beforeAll(async () => {
  subject = await startOurs(4_000);
});
afterAll(() => subject.close());

test("our gateway holds to every case", async () => {
  const results = await runCases(subject, allCases, { atOnce: 16 });
  const failed = results.filter(({ outcome }) => outcome !== "pass");
  // UDP is not a case of the gateway's own port here; everything else applies to it.
  expect(failed).toEqual([]);
  expect(results.length).toBe(allCases.length);
});
