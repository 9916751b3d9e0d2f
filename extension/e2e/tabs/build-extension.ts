import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** Builds the extension as it ships, into a directory of its own. @returns the folder to load */
export async function buildExtension(
  given?: string,
  family: "chrome" | "firefox" = "chrome",
): Promise<string> {
  const directory = given ?? (await mkdtemp(join(tmpdir(), "atlantic-extension-")));
  const wxt = join(root, "../node_modules/wxt/bin/wxt.mjs");
  await promisify(execFile)(process.execPath, [wxt, "build", "-b", family, "--mv3"], {
    cwd: root,
    env: { ...process.env, NODE_ENV: "production", ATLANTIC_EXTENSION_OUT: directory },
  });
  return join(directory, `${family}-mv3`);
}
