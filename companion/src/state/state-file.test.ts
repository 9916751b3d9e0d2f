import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readState, writeState } from "./state-file.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atl-state-"));
  path = join(directory, "companion", "state.json");
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

const state = {
  version: 1 as const,
  paired: [{ id: "0".repeat(12), name: "Chromium", tokenDigest: "0".repeat(64), pairedAt: 1 }],
  sessions: [],
};

test("what was written is read again, from a file that only its owner can read", () => {
  expect(readState(path)).toEqual({ version: 1, paired: [], sessions: [] });
  writeState(path, state);
  expect(readState(path)).toEqual(state);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(readdirSync(dirname(path))).toEqual(["state.json"]);
});

test("a file that a crash left half written beside it does no harm", () => {
  writeState(path, state);
  writeFileSync(`${path}.1.new`, '{"version":1,"pai');
  expect(readState(path)).toEqual(state);
});

test("a damaged file is put aside for its owner to look at, and is no obstacle", () => {
  const warnings: string[] = [];
  vi.spyOn(process, "emitWarning").mockImplementation((warning) => void warnings.push(String(warning)));
  writeState(path, state);
  writeFileSync(path, "{}");
  expect(readState(path)).toEqual({ version: 1, paired: [], sessions: [] });
  expect(warnings).toEqual([expect.stringMatching(/is damaged.*Pair your browsers anew/)]);
  expect(readFileSync(`${path}.damaged`, "utf8")).toBe("{}");
  expect(existsSync(path)).toBe(false);
  writeState(path, state);
  expect(readState(path)).toEqual(state);
});
