import { isAbsolute } from "node:path";
import { expect, test } from "vitest";
import { companionPaths, dataDirectory } from "./data-paths.ts";

test("the data directory is ATLANTIC_DATA, or the repository's own", () => {
  expect(dataDirectory({ ATLANTIC_DATA: "/srv/atlantic" })).toBe("/srv/atlantic");
  expect(isAbsolute(dataDirectory({ ATLANTIC_DATA: "here" }))).toBe(true);
  expect(dataDirectory({})).toMatch(/\/data$/);
});

test("the control socket moves to a short path when its own would be too long, the same each time", () => {
  const short = companionPaths("/srv/atlantic");
  expect(short.controlSocket).toBe("/srv/atlantic/companion/control.sock");
  const deep = `/srv/${"deep/".repeat(30)}data`;
  const long = companionPaths(deep);
  expect(Buffer.byteLength(long.controlSocket)).toBeLessThanOrEqual(100);
  expect(long.controlSocket).toMatch(/\/atlantic-\d+-[0-9a-f]{12}\/control\.sock$/);
  expect(companionPaths(deep)).toEqual(long);
  expect(companionPaths(`${deep}2`).controlSocket).not.toBe(long.controlSocket);
  expect(long.state.startsWith(deep)).toBe(true);
});
