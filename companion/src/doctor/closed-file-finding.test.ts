import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { closedFileFinding } from "./closed-file-finding.ts";

const directory = mkdtempSync(join(tmpdir(), "atlantic-closed-"));
const path = join(directory, "upstreams.json");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.each([
  { given: 0o600, meant: "600", verdict: "good", remedy: null },
  { given: 0o400, meant: "600", verdict: "good", remedy: null },
  { given: 0o644, meant: "600", verdict: "warning", remedy: `chmod 600 ${path}` },
  { given: 0o640, meant: "600", verdict: "warning", remedy: `chmod 600 ${path}` },
  { given: 0o640, meant: "640", verdict: "good", remedy: null },
  { given: 0o644, meant: "640", verdict: "warning", remedy: `chmod 640 ${path}` },
] as const)("a file of passwords with $given, meant to have $meant", ({ given, meant, verdict, remedy }) => {
  writeFileSync(path, "{}");
  chmodSync(path, given);
  expect(closedFileFinding("Upstreams", path, meant)).toMatchObject({ verdict, remedy });
});
