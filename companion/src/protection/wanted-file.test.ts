import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NOTHING_WANTED, type Wanted } from "./wanted.ts";
import { WantedFile } from "./wanted-file.ts";

let directory: string;
let file: WantedFile;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atl-wanted-"));
  file = new WantedFile(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const CONNECTED: Wanted = { connected: true, lockdown: false, allowLan: true };

test("a file that is not there is a machine that nothing is wanted of", () => {
  expect(file.read()).toEqual(NOTHING_WANTED);
});

test("what is kept is read again, and leaves no other file", () => {
  file.keep(CONNECTED);
  fc.assert(
    fc.property(
      fc.record({ connected: fc.boolean(), lockdown: fc.boolean(), allowLan: fc.boolean() }),
      (wanted) => {
        file.keep(wanted);
        expect(new WantedFile(directory).read()).toEqual(wanted);
        const isBlocked = wanted.connected || wanted.lockdown;
        expect(readdirSync(directory).sort()).toEqual(
          isBlocked ? ["blocked-at-boot", "wanted.json"] : ["wanted.json"],
        );
      },
    ),
    { numRuns: 50 },
  );
});

test("whatever else stands in the file is unreadable, and never taken for open", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      writeFileSync(join(directory, "wanted.json"), text);
      expect(file.read()).toBe("unreadable");
    }),
    { numRuns: 100 },
  );
});

test("a wish to be protected that cannot be written leaves what is read as blocked", () => {
  file.keep(NOTHING_WANTED);
  // The name of the file that is written beside is taken by a directory.
  mkdirSync(join(directory, `wanted.json.${process.pid}.new`));
  expect(() => file.keep(CONNECTED)).toThrow();
  expect(file.read()).toBe("unreadable");
  expect(existsSync(join(directory, "blocked-at-boot"))).toBe(true);
});
