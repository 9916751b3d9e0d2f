import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Aim, PASSED_FILE } from "./aim.ts";
import { PointFolder } from "./point-folder.ts";

const preload = join(import.meta.dirname, "await-points.ts");
const program = fileURLToPath(new URL("../../../companion/src/cli/main.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atl-points-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program of the product that waits: for a companion that is not there. */
function run() {
  const env = { ...process.env, LAB_POINTS: folder, ATLANTIC_DATA: folder };
  return spawnSync(process.execPath, ["--import", preload, program, "status"], { env, timeout: 60_000 });
}

test("places where the product waits are found, and it is ended at each as the aim says", () => {
  const points = new PointFolder(folder);
  expect(run().signal).toBe(null);
  const found = [...points.passed().keys()];
  expect(found).toContainEqual(expect.stringMatching(/^companion\/src\/cli\/main\.ts:\d+:\d+$/));
  const ways = [
    { moment: "waits", end: "SIGKILL", signal: "SIGKILL" },
    { moment: "goes on", end: "abort", signal: "SIGABRT" },
  ] as const;
  for (const { signal, ...way } of ways) {
    const aim: Aim = { point: found[0] ?? "", passing: 1, ...way };
    points.aim(aim);
    expect(run().signal).toBe(signal);
    expect(points.isHit).toBe(true);
    expect(readFileSync(join(folder, PASSED_FILE), "utf8")).toContain(`${aim.point} 1\n`);
  }
});

test("an aim at a place that is not passed ends nothing, and is left", () => {
  const points = new PointFolder(folder);
  points.aim({ point: "companion/src/cli/main.ts:1:1", passing: 7, moment: "waits", end: "SIGKILL" });
  expect(run().signal).toBe(null);
  expect(points.isHit).toBe(false);
});
