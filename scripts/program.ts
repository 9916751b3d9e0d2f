import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Runs a program with this terminal as its own. @returns its exit code, 127 when it could not be started. */
export function runVisibly([file, ...argv]: readonly [string, ...string[]], cwd: string): Promise<number> {
  return new Promise((resolve) => {
    spawn(file, argv, { cwd, stdio: ["ignore", "inherit", "inherit"] })
      .once("error", () => resolve(127))
      .once("exit", (code) => resolve(code ?? 1));
  });
}

/** Where a program is on the PATH, or undefined. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {}
  }
  return undefined;
}
