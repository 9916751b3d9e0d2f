import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BUILT_IN_LISTS, type BuiltInList } from "@atlantic/shared/blocking/built-in-list.ts";

export const BUILT_IN_TITLES: Readonly<Record<BuiltInList, string>> = {
  ads: "Advertising",
  tracking: "Tracking",
  security: "Malware, phishing and scams",
};

const BUILD_PROGRAM = fileURLToPath(new URL("./build-lists.ts", import.meta.url));
const BUILD_MS = 120_000;

export function isBuiltIn(id: string): id is BuiltInList {
  return BUILT_IN_LISTS.some((known) => known === id);
}

export function builtInPath(id: BuiltInList): string {
  return fileURLToPath(new URL(`../../../dist/lists/${id}.txt`, import.meta.url));
}

/** The rules of a list that ask for more than a name. */
export function builtInUrlsPath(id: BuiltInList): string {
  return fileURLToPath(new URL(`../../../dist/lists/${id}.urls`, import.meta.url));
}

/**
 * Builds the lists where that was not done yet.
 * @throws Error when they are not there and cannot be built, because the data they come from is not installed
 */
export async function ensureBuiltInLists(): Promise<void> {
  const paths = BUILT_IN_LISTS.flatMap((id) => [builtInPath(id), builtInUrlsPath(id)]);
  if (paths.every((path) => existsSync(path))) return;
  await promisify(execFile)(process.execPath, [BUILD_PROGRAM], { timeout: BUILD_MS });
}
