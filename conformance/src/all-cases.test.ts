import { expect, test } from "vitest";
import { allCases } from "./cases/all-cases.ts";

test("every case has an id of its own, a section and a sentence", () => {
  const ids = allCases.map(({ id }) => id);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  for (const { must, section } of allCases) {
    expect(must).toMatch(/^\S.*[.]$/);
    expect(section).toMatch(/^(RFC \d{4}|checklist 4\.[12]|draft-)/);
  }
});
