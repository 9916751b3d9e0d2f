import { expect, test } from "vitest";
import { servicePaths } from "../data-paths.ts";
import { forbidden } from "./control-client.ts";

test("the group is named where the service is closed to somebody, and never for a person's own data directory", () => {
  expect(forbidden(servicePaths.controlSocket)).toContain("members of the group atlantic");
  const own = forbidden("/home/ada/atlantic/data/companion/control.sock");
  expect(own).toMatch(/^\/home\/ada\/atlantic\/data\/companion is another user's/);
  expect(own).not.toContain("group");
});
