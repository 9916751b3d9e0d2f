import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { printNft } from "../firewall/print-nft.ts";
import { rulesOf } from "../firewall/rules-of.ts";
import { copyProduct } from "./product-files.ts";
import { PRODUCT, serviceFiles } from "./service-files.ts";

/** The rules of early boot: nothing but what a link itself needs, and no link but those that are there then. */
function earlyRules(): string {
  return printNft(rulesOf({ kind: "blocked", bootstrap: [], allowLan: false }), []);
}

/**
 * Lays the product and the service's files out under a root directory: `/`, or that of a package. What lies there of an
 * earlier version is replaced at once, when the new one is whole.
 * @throws ClearError when something has not been built
 */
export function layOut(root: string): void {
  const place = join(root, PRODUCT);
  const [next, last] = [`${place}.new`, `${place}.old`];
  for (const left of [next, last]) rmSync(left, { recursive: true, force: true });
  copyProduct(next);
  if (existsSync(place)) renameSync(place, last);
  renameSync(next, place);
  rmSync(last, { recursive: true, force: true });
  for (const { path, text, mode } of serviceFiles(earlyRules())) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  }
}
