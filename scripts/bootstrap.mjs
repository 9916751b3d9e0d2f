// The one file that runs on the Node a newcomer has (20 or later), and so is plain JavaScript:
// it installs what package-lock.json names, then hands over to the pinned Node, which runs TypeScript as it is.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const entries = {
  start: "scripts/start.ts",
  browser: "scripts/browser.ts",
  test: "scripts/test.ts",
  lab: "lab/src/main.ts",
  bench: "bench/src/main.ts",
  "e2e-tabs": "extension/e2e/tabs/main.ts",
  conformance: "conformance/src/main.ts",
  fuzz: "conformance/fuzz/main.ts",
  "proof-crash": "server/src/metering/testing/proof-crash.ts",
  "proof-quota": "server/src/metering/testing/quota-proof.ts",
  atlantic: "companion/src/cli/main.ts",
  package: "companion/src/service/package-main.ts",
};

const [command = "", ...commandArguments] = process.argv.slice(2);
const entry = entries[command];
if (!entry) fail(`There is no command "${command}". There are: ${Object.keys(entries).join(", ")}.`);
if (Number.parseInt(process.versions.node, 10) < 20) {
  fail(`Atlantic Proxy needs Node 20 or later to start; this is ${process.versions.node}.`);
}

if (!isInstalled()) await install();
const node = join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");
const child = spawn(node, ["--disable-warning=ExperimentalWarning", join(root, entry), ...commandArguments], {
  stdio: "inherit",
});
// Ctrl-C reaches the child through the terminal as well; what is sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("error", (error) =>
  fail(`The pinned Node could not be started: ${error.message}. Remove node_modules and try again.`),
);
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

/** Whether node_modules holds each version that package-lock.json names. */
function isInstalled() {
  const hiddenLock = join(root, "node_modules/.package-lock.json");
  if (!existsSync(hiddenLock)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(hiddenLock, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional, link }]) =>
      optional || link || !path.includes("node_modules/") || present[path]?.version === version,
  );
}

async function install() {
  const started = Date.now();
  const npm = spawn("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
  });
  let output = "";
  for (const stream of [npm.stdout, npm.stderr]) stream.on("data", (text) => (output += text));
  const seconds = () => Math.round((Date.now() - started) / 1000);
  process.stdout.write("Installing dependencies, once: about a minute …\n");
  const ticker = setInterval(() => {
    if (process.stdout.isTTY) process.stdout.write(`\r  ${seconds()} s`);
  }, 1000);
  const code = await new Promise((resolve) => npm.on("error", () => resolve(127)).on("exit", resolve));
  clearInterval(ticker);
  if (process.stdout.isTTY) process.stdout.write("\r");
  if (code !== 0) fail(`npm install failed, so nothing can start:\n${output.trim()}`);
  process.stdout.write(`  installed in ${seconds()} s\n`);
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
