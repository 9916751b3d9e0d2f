import { expect, test } from "vitest";
import { allCases } from "./cases/all-cases.ts";
import { runCases } from "./run-cases.ts";
import { startOurs } from "./subjects/ours.ts";

test.each([
  ["with the native carrier", true],
  ["in TypeScript alone", false],
])("our gateway holds to every case, %s", async (_, native) => {
  const subject = await startOurs({ headerMs: 4_000, native });
  try {
    const results = await runCases(subject, allCases, { atOnce: 16 });
    expect(results.filter(({ outcome }) => outcome !== "pass")).toEqual([]);
    expect(results.length).toBe(allCases.length);
  } finally {
    await subject.close();
  }
});
