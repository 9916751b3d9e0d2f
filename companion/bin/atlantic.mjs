#!/usr/bin/env node
/** Runs the command with the Node that the product is pinned to, whichever Node started this. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const [major] = process.versions.node.split(".").map(Number);
const node = major >= 24 ? process.execPath : pinnedNode();

if (node === undefined) {
  console.error("The pinned Node is not installed: run npm start once.");
  process.exit(1);
}
const child = spawn(node, ["--disable-warning=ExperimentalWarning", main, ...process.argv.slice(2)], {
  stdio: "inherit",
});
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));

function pinnedNode() {
  try {
    const path = createRequire(import.meta.url).resolve("node/bin/node");
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
