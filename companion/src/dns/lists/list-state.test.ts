import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readListState, writeListState } from "./list-state.ts";

describe("what is filtered, on the disk", () => {
  let folder = "";
  let path = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "atlantic-lists-"));
    path = join(folder, "lists.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const chosen = () => ({ ...readListState(path), blocked: ["ads.example"], answer: "refused" as const });

  it("is the defaults when nobody chose", () => {
    expect(readListState(path)).toMatchObject({ off: [], blocked: [], answer: "nxdomain" });
  });

  it.each([
    ["cut short", () => truncateSync(path, 20)],
    ["empty", () => truncateSync(path, 0)],
    ["something else", () => writeFileSync(path, "\0\0\0{}")],
    ["gone", () => rmSync(path)],
  ])("stays as it was chosen when the file is %s, and is whole again", (_what, damage) => {
    const state = chosen();
    writeListState(path, state);
    damage();
    expect(readListState(path)).toEqual(state);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(state);
  });

  it("keeps the damaged file for whoever wants to look at it", () => {
    writeListState(path, chosen());
    writeFileSync(path, "damaged");
    readListState(path);
    expect(readFileSync(`${path}.damaged`, "utf8")).toBe("damaged");
  });

  it("is not taken for less than was chosen when the copy is damaged too", () => {
    writeListState(path, chosen());
    for (const file of [path, `${path}.copy`]) writeFileSync(file, "{");
    expect(() => readListState(path)).toThrow("there is no good copy of it");
    expect(existsSync(path)).toBe(true);
  });

  it("does not need the copy", () => {
    const state = chosen();
    writeListState(path, state);
    rmSync(`${path}.copy`);
    expect(readListState(path)).toEqual(state);
  });
});
