import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ClearError } from "../clear-error.ts";
import { ensureBuiltInLists } from "../dns/lists/built-in-lists.ts";
import { buildPackage } from "./build-package.ts";
import { CHECKOUT } from "./product-files.ts";

/** `npm run package`: builds what is native, the filter lists, and then the Debian package into `dist/`. */
try {
  execFileSync(process.execPath, [join(CHECKOUT, "native/build.mjs")], { stdio: "inherit" });
  await ensureBuiltInLists();
  process.stdout.write(`${buildPackage(join(CHECKOUT, "dist"))}\n`);
} catch (error) {
  if (!(error instanceof ClearError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
