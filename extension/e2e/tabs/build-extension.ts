import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** Builds the extension as it ships, into a directory of the caller's. @returns the folder to load */
export async function buildExtension(
  directory: string,
  family: "chrome" | "firefox" = "chrome",
): Promise<string> {
  const wxt = join(root, "../node_modules/wxt/bin/wxt.mjs");
  await promisify(execFile)(process.execPath, [wxt, "build", "-b", family, "--mv3"], {
    cwd: root,
    env: { ...process.env, NODE_ENV: "production", ATLANTIC_EXTENSION_OUT: directory },
  });
  return join(directory, `${family}-mv3`);
}
