import { expect, test } from "vitest";
import { isSharedSuffix } from "./shared-suffix.ts";

test("names under which anybody registers are shared, names of one owner are not", () => {
  for (const name of ["com", "co.uk", "github.io", "ru.com"]) expect(isSharedSuffix(name)).toBe(true);
  for (const name of ["example.com", "alice.github.io", "ads.example.co.uk"])
    expect(isSharedSuffix(name)).toBe(false);
});
