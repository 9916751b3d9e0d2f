import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ClearError } from "../clear-error.ts";

/** The checkout that this runs from. */
export const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));

const manifestSchema = z.object({ dependencies: z.record(z.string(), z.string()).default({}) });

/** What the service runs on, beside the sources: each with how it is made. */
const built = {
  "native/dist": "npm run build:native",
  "native/dist/atlantic-fw": "npm run build:native",
  "node_modules/node/bin/node": "npm install",
  "companion/dist/lists": "node companion/src/dns/lists/build-lists.ts",
} as const;

/**
 * Copies what the service needs of a checkout to where the product shall lie: the sources of companion, native and
 * shared, the addon, atlantic-fw, the pinned Node, and the packages that they import.
 * @throws ClearError when something has not been built
 */
export function copyProduct(to: string, from = CHECKOUT): void {
  for (const [path, how] of Object.entries(built)) {
    if (!existsSync(join(from, path))) throw new ClearError(`${path} is not there: ${how}.`);
  }
  for (const workspace of ["companion", "native", "shared"])
    copySources(join(from, workspace), join(to, workspace));
  copy(join(from, "native/dist"), join(to, "native/dist"));
  copy(join(from, "companion/dist/lists"), join(to, "companion/dist/lists"));
  copy(realpathSync(join(from, "node_modules/node/bin/node")), join(to, "node/bin/node"));
  copy(join(from, "docs/companion.md"), join(to, "docs/companion.md"));
  copy(join(from, "LICENSE"), join(to, "LICENSE"));
  for (const name of runtimePackages(from)) {
    copy(join(from, "node_modules", name), join(to, "node_modules", name));
  }
  for (const workspace of ["native", "shared"]) {
    const link = join(to, "node_modules/@atlantic", workspace);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(relative(dirname(link), join(to, workspace)), link);
  }
}

/** Neither tests nor what is built, nor what it is built from. */
const isLeft =
  /\.test\.tsx?$|\/testing$|^\/(target|dist|node_modules|carrier|fw|dns|build\.mjs|Cargo\.\w+|rustfmt\.toml)$/;

function copySources(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !isLeft.test(path.slice(from.length)) });
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}

/** Packages that companion, native and shared import, and those that these need. */
function runtimePackages(from: string): readonly string[] {
  const found = new Set<string>();
  const add = (manifest: string) => {
    const { dependencies } = manifestSchema.parse(JSON.parse(readFileSync(manifest, "utf8")));
    for (const name of Object.keys(dependencies)) {
      if (name.startsWith("@atlantic/") || found.has(name)) continue;
      found.add(name);
      add(join(from, "node_modules", name, "package.json"));
    }
  };
  for (const workspace of ["companion", "native", "shared"]) add(join(from, workspace, "package.json"));
  return [...found].sort();
}
