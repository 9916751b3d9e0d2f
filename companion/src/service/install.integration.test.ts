import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addonState } from "@atlantic/native";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureBuiltInLists } from "../dns/lists/built-in-lists.ts";
import { install, uninstall } from "./install.ts";
import { PRODUCT, serviceFiles } from "./service-files.ts";

const canRun = process.getuid?.() === 0 && process.platform === "linux" && addonState().kind === "loaded";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "atl-root-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test.skipIf(!canRun)(
  "what is installed runs by itself, is replaced whole, and goes but for what is yours",
  async () => {
    await ensureBuiltInLists();
    const said: string[] = [];
    const options = { root, say: (line: string) => said.push(line) };
    install(options);
    install(options);
    expect(readdirSync(join(root, "/usr/lib")).sort()).toEqual(["atlantic", "systemd", "sysusers.d"]);
    for (const { path, mode } of serviceFiles("")) expect(statSync(join(root, path)).mode & 0o777).toBe(mode);
    const product = join(root, PRODUCT);
    const version = execFileSync(join(product, "node/bin/node"), [
      join(product, "companion/src/cli/main.ts"),
      "--version",
    ]);
    expect(version.toString()).toMatch(/^\d+\.\d+\.\d+/);

    mkdirSync(join(root, "/var/lib/atlantic"), { recursive: true });
    writeFileSync(join(root, "/var/lib/atlantic/blocked-at-boot"), "");
    expect(() => uninstall(options)).toThrow(/connected or locked/);
    expect(existsSync(product)).toBe(true);
    rmSync(join(root, "/var/lib/atlantic/blocked-at-boot"));
    uninstall(options);
    expect(existsSync(product)).toBe(false);
    for (const { path } of serviceFiles("")) expect(existsSync(join(root, path))).toBe(false);
    expect(existsSync(join(root, "/var/lib/atlantic"))).toBe(true);
  },
);
