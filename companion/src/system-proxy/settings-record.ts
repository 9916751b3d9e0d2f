import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { desktopKindSchema } from "@atlantic/shared/control/system-proxy.ts";
import { z } from "zod";
import { ClearError } from "../clear-error.ts";
import { makePrivateDirectory } from "../state/state-file.ts";
import { settingChangeSchema } from "./setting-change.ts";

/** What stood in the desktop's proxy settings before they were changed: on disk before anything changes. */
const settingsRecordSchema = z.object({
  version: z.literal(1),
  desktops: z.array(z.object({ kind: desktopKindSchema, changes: z.array(settingChangeSchema) })),
});
export type SettingsRecord = z.infer<typeof settingsRecordSchema>;

/**
 * @returns null when the settings are the person's own
 * @throws ClearError when the file is there and cannot be read
 */
export function readRecord(path: string): SettingsRecord | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new ClearError(`${path} cannot be read: check its owner and its permissions.`, { cause: error });
  }
  try {
    return settingsRecordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ClearError(
      `${path} is damaged, so your proxy settings cannot be put back from it: look at them in your desktop's network settings, then delete the file.`,
      { cause },
    );
  }
}

/** On the disk, name and all, when this returns. */
export function writeRecord(path: string, record: SettingsRecord): void {
  makePrivateDirectory(dirname(path));
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(beside, path);
  syncDirectory(dirname(path));
}

export function deleteRecord(path: string): void {
  rmSync(path, { force: true });
}

/** Windows cannot open a directory, and keeps names in order by itself. */
function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
