/**
 * Builds the Rust addon and puts it where `src/addon.ts` looks for it. Without cargo nothing is built: everything
 * works without the addon, more slowly. Exits with 1 when there is a cargo and the build fails.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const libraries = { linux: "libcarrier.so", darwin: "libcarrier.dylib" };
const library = libraries[process.platform];

if (library === undefined) {
  console.log(`The native addon is not built on ${process.platform}: everything works without it.`);
} else if (spawnSync("cargo", ["--version"]).error) {
  console.log("There is no cargo here, so the native addon is not built: everything works without it.");
} else {
  const { status } = spawnSync("cargo", ["build", "--release", "--locked"], { cwd: here, stdio: "inherit" });
  if (status !== 0) process.exit(1);
  const place = join(here, "dist", "atlantic-native.node");
  mkdirSync(dirname(place), { recursive: true });
  // A process may have the old one mapped: replace the file, do not write into it.
  copyFileSync(join(here, "target", "release", library), `${place}.new`);
  renameSync(`${place}.new`, place);
  console.log("Built native/dist/atlantic-native.node.");
}
