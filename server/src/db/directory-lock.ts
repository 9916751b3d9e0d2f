import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A directory that this process alone may use until `release`. */
export interface DirectoryLock {
  release(): void;
}

/** Another living process uses the directory. The message is one sentence for people. */
export class DirectoryInUseError extends Error {
  override readonly name = "DirectoryInUseError";
}

/**
 * Takes the directory for this process. The lock is the operating system's lock on a file, taken through SQLite
 * because Node has no call for it: it ends with the process, however that ends, and no stale file can hold it.
 *
 * @throws DirectoryInUseError when another process has it.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const { DatabaseSync } = await import("node:sqlite");
  const file = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
  try {
    file.exec("pragma locking_mode = exclusive; begin exclusive");
  } catch (error) {
    file.close();
    if (!isLocked(error)) throw error;
    throw new DirectoryInUseError(
      `Another Atlantic Proxy server${holder(directory)} is using the data in ${directory}: ` +
        "stop it first, or set ATLANTIC_DATA to another directory.",
    );
  }
  writeFileSync(holderFile(directory), String(process.pid), { mode: 0o600 });
  return { release: () => file.close() };
}

const SQLITE_BUSY = 5;

function isLocked(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

function holderFile(directory: string): string {
  return join(directory, "holder");
}

/** The process that wrote its number last: told for convenience, never relied on. */
function holder(directory: string): string {
  try {
    const processId = Number.parseInt(readFileSync(holderFile(directory), "utf8"), 10);
    return Number.isInteger(processId) ? ` (process ${processId})` : "";
  } catch {
    return "";
  }
}
