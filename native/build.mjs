/**
 * Builds the Rust addons, and on Linux the holder of the firewall, and puts them where `src/addon.ts` and the
 * companion look for them. Without cargo nothing is built: everything but the firewall works without them, more slowly.
 * Exits with 1 when there is a cargo and the build fails.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const ends = { linux: "so", darwin: "dylib" };
const end = ends[process.platform];
/** Each addon's library and its name in dist/. */
const addons = { libcarrier: "atlantic-native.node", libatlantic_dns: "atlantic-dns.node" };
/** Each thing that is built, and its name in dist/. */
const built = Object.entries(addons).map(([library, name]) => [`${library}.${end}`, name]);
// It speaks netlink, which only Linux has.
const holder = "atlantic-fw";
if (process.platform === "linux") built.push([holder, holder]);
const members = process.platform === "linux" ? [] : ["--workspace", "--exclude", holder];

if (end === undefined) {
  console.log(`The native addons are not built on ${process.platform}: everything works without them.`);
} else if (spawnSync("cargo", ["--version"]).error) {
  console.log("There is no cargo here, so the native addons are not built: everything works without them.");
} else {
  const { status } = spawnSync("cargo", ["build", "--release", "--locked", ...members], {
    cwd: here,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
  mkdirSync(join(here, "dist"), { recursive: true });
  for (const [file, name] of built) {
    const place = join(here, "dist", name);
    // A process may have the old one mapped: replace the file, do not write into it.
    copyFileSync(join(here, "target", "release", file), `${place}.new`);
    renameSync(`${place}.new`, place);
    console.log(`Built native/dist/${name}.`);
  }
}
