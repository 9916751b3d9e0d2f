import { existsSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { creatorOf, isAlive } from "../lab-name.ts";

/** Where the hierarchy of control groups (v2) is mounted: alone, or beside version 1. */
const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((each) =>
  existsSync(join(each, "cgroup.controllers")),
);

/** Makes the control group that is the machine's root. @returns its folder */
export function makeBootGroup(name: string): string {
  if (root === undefined)
    throw new Error("systemd needs control groups, version 2: they are not mounted here.");
  for (const left of readdirSync(root)) {
    const creator = creatorOf(left);
    if (creator && !isAlive(creator)) removeBootGroup(join(root, left));
  }
  const folder = join(root, name);
  mkdirSync(folder);
  return folder;
}

/** Removes it with all groups in it. Nobody may be left in them. */
export function removeBootGroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeBootGroup(join(folder, entry.name));
  rmdirSync(folder);
}
