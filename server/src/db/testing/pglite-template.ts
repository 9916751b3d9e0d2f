import { randomUUID } from "node:crypto";
import { cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { openDatabase } from "../open.ts";

/**
 * Puts an empty, new cluster into a PGlite directory by copying one: making it anew takes five seconds of a
 * processor, and dozens of tests need one. The copied cluster is made with the first need and kept with the packages.
 */
export async function seedPglite(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await cp(await template(), join(directory, "cluster"), { recursive: true });
}

async function template(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  const packages = entry.slice(0, entry.lastIndexOf("node_modules") + "node_modules".length);
  const manifest = join(packages, "@electric-sql/pglite/package.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const place = join(packages, ".cache", "atlantic", `pglite-${version}`);
  if (!(await exists(place))) await make(place);
  return place;
}

/** Made aside and moved into place whole: another test process may be doing the same. */
async function make(place: string): Promise<void> {
  const draft = `${place}.${randomUUID()}`;
  await mkdir(dirname(place), { recursive: true });
  const database = await openDatabase({ kind: "pglite", directory: draft });
  await database.close();
  await rename(join(draft, "cluster"), place).catch(async (error: unknown) => {
    if (!(await exists(place))) throw error;
  });
  await rm(draft, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
