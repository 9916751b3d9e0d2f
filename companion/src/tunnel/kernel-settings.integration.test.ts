import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { canMakeNamespaces } from "./testing/namespaces.ts";

const canRun = canMakeNamespaces();
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atl-settings-"));
  file = join(folder, "kernel-settings.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs steps in a network of its own, where tcp_tw_reuse begins as 2, and returns what it is after each. */
function after(...steps: readonly string[]): unknown {
  const program = `
    import { readFileSync } from "node:fs";
    import { KernelSettings } from ${JSON.stringify(join(import.meta.dirname, "kernel-settings.ts"))};
    const file = ${JSON.stringify(file)};
    const now = () => Number(readFileSync("/proc/sys/net/ipv4/tcp_tw_reuse", "utf8"));
    const seen = [now()];
    ${steps.map((step) => `${step}; seen.push(now());`).join("\n")}
    console.log(JSON.stringify(seen));`;
  const argv = ["--net", process.execPath, "--input-type=module", "--eval", program];
  return JSON.parse(execFileSync("unshare", argv, { encoding: "utf8" }));
}

const killed = "new KernelSettings(file).set()";
const ended = "{ const last = new KernelSettings(file); last.set(); last.putBack() }";

test.skipIf(!canRun)("settings are as they were, also after a process that was killed", () => {
  expect(after(killed, killed, ended)).toEqual([2, 1, 1, 2]);
  // Nothing is left that the next one could take for true.
  expect(() => readFileSync(file)).toThrow("ENOENT");
});

test.skipIf(!canRun)("what an earlier boot, or a crash, left in the file is not believed", () => {
  writeFileSync(file, JSON.stringify({ boot: "another", before: { "ipv4/tcp_tw_reuse": 0 } }));
  expect(after(killed, ended)).toEqual([2, 1, 2]);
  writeFileSync(file, '{"boot":"');
  expect(after(killed, ended)).toEqual([2, 1, 2]);
});
