import { stat } from "node:fs/promises";

/**
 * Says that others can read a file that holds passwords, and what mends it.
 *
 * @returns null when the owner alone can, when there is no such file, and on Windows, where there are no such modes.
 */
export async function openFileWarning(path: string): Promise<string | null> {
  if (process.platform === "win32") return null;
  const mode = await stat(path).then(
    (found) => found.mode,
    () => 0,
  );
  if ((mode & 0o077) === 0) return null;
  return `Other users of this machine may read the passwords in ${path}. To mend it: chmod 600 ${path}`;
}
