import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** Builds the extension for Chrome as it ships. @returns the folder to load */
export async function buildExtension(): Promise<string> {
  const wxt = join(root, "../node_modules/wxt/bin/wxt.mjs");
  await promisify(execFile)(process.execPath, [wxt, "build"], { cwd: root });
  return join(root, ".output/chrome-mv3");
}
