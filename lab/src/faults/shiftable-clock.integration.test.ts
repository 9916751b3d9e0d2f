import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ShiftableClock } from "./shiftable-clock.ts";

const DAY_MS = 86_400_000;
const canRun = process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atl-clock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.runIf(canRun || process.env.CI === "true")(
  "a program's clock is shifted, and the host's is not",
  async () => {
    const clock = await ShiftableClock.build(folder);
    const daysAhead = () => {
      const env = { ...process.env, ...clock.env };
      const { stdout } = spawnSync(process.execPath, ["-p", "Date.now()"], { env, encoding: "utf8" });
      return ((Number(stdout) - Date.now()) / DAY_MS).toFixed(0).replace("-0", "0");
    };
    expect(daysAhead()).toBe("0");
    clock.shift(30);
    expect(daysAhead()).toBe("30");
    clock.shift(-30);
    expect(daysAhead()).toBe("-30");
  },
);
