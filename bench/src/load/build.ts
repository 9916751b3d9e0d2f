import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { must } from "@atlantic/lab/src/net/run.ts";
import { ensurePackages } from "../../../scripts/debian-packages.ts";

const sources = join(import.meta.dirname, "../../load");
const cache = join(import.meta.dirname, "../../../node_modules/.cache/atlantic-bench");

const compiler = { name: "rustc", program: "rustc", untested: "the load generator cannot be compiled" };

/**
 * Compiles a load generator once for each state of the sources, with rustc, which Debian has as a package.
 * @returns the program's path
 */
export async function buildLoad(name: "load" | "tunnel-load" = "load"): Promise<string> {
  const program = join(cache, `${name}-${digest()}`);
  if (existsSync(program)) return program;
  const { missing } = await ensurePackages([compiler]);
  const [without] = missing;
  if (without) throw new Error(`There is no rustc: ${without.why}.`);
  mkdirSync(cache, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  await must(["rustc", "-O", "--edition", "2021", "-o", unfinished, join(sources, `${name}.rs`)]);
  renameSync(unfinished, program);
  return program;
}

/** Of all of the sources: a program is made of several. */
function digest(): string {
  const hash = createHash("sha256");
  const files = readdirSync(sources).filter((file) => file.endsWith(".rs"));
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(sources, file)));
  return hash.digest("hex").slice(0, 12);
}
