import { expect, test } from "vitest";
import { drivenPackages, ensurePackages } from "./debian-packages.ts";

test("a package whose program is here is present, and nothing is installed for it", async () => {
  const shell = { name: "dash", program: "sh", untested: "nothing" };
  const shellByPath = { name: "dash-too", program: "/*/sh", untested: "nothing" };
  expect(await ensurePackages([shell])).toEqual({ present: ["dash"], missing: [] });
  // A star that matches no folder is a program that is not there; this one is under /bin or /usr/bin.
  expect((await ensurePackages([{ ...shellByPath, program: "/usr/*/sh" }])).present).toEqual(["dash-too"]);
});

test("each package says what stays untested without it", () => {
  for (const { name, untested } of drivenPackages) expect(untested, name).toMatch(/\w+ \w+/);
  expect(new Set(drivenPackages.map(({ name }) => name)).size).toBe(drivenPackages.length);
});
