import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "./settings.ts";

/** Something that is built from sources: the web page, or the extension for one browser. */
interface Build {
  readonly name: string;
  /** Folders and files, from the repository's root, that the result depends on. */
  readonly sources: readonly string[];
  readonly output: string;
  /** The command, as arguments to the pinned Node, run in `folder`. */
  readonly command: readonly string[];
  readonly folder: string;
}

const shared = ["shared", "package-lock.json"];

export const webPage: Build = {
  name: "web page",
  sources: [...shared, "server/web"],
  output: "server/web/dist",
  command: ["node_modules/vite/bin/vite.js", "build", "server/web", "--logLevel", "error"],
  folder: ".",
};

export const chromeExtension: Build = {
  name: "extension for Chrome",
  sources: [...shared, "extension"],
  output: "extension/.output/chrome-mv3",
  command: ["../node_modules/wxt/bin/wxt.mjs", "build"],
  folder: "extension",
};

export const firefoxExtension: Build = {
  ...chromeExtension,
  name: "extension for Firefox",
  output: "extension/.output/firefox-mv3",
  command: ["../node_modules/wxt/bin/wxt.mjs", "build", "-b", "firefox", "--mv3"],
};

const ignored = new Set(["node_modules", "dist", ".output", ".wxt", "e2e"]);

/**
 * Builds when a source changed since the last time.
 * @returns whether it had to.
 * @throws Error with what the build said when it failed.
 */
export async function buildIfStale(build: Build): Promise<boolean> {
  const stamps = join(repository, "node_modules/.cache/atlantic");
  const stamp = join(stamps, `${build.output.replaceAll("/", "-")}.hash`);
  const hash = createHash("sha256");
  for (const source of build.sources) await digest(join(repository, source), hash);
  const wanted = hash.digest("hex");
  const [last, output] = await Promise.allSettled([
    readFile(stamp, "utf8"),
    stat(join(repository, build.output)),
  ]);
  if (last.status === "fulfilled" && last.value === wanted && output.status === "fulfilled") return false;
  await run(build);
  await mkdir(stamps, { recursive: true });
  await writeFile(stamp, wanted);
  return true;
}

async function digest(path: string, hash: ReturnType<typeof createHash>): Promise<void> {
  const info = await stat(path);
  if (!info.isDirectory()) {
    hash.update(path).update(await readFile(path));
    return;
  }
  const names = (await readdir(path)).filter((name) => !ignored.has(name) && !name.includes(".test.")).sort();
  for (const name of names) await digest(join(path, name), hash);
}

async function run(build: Build): Promise<void> {
  const child = spawn(process.execPath, build.command, {
    cwd: join(repository, build.folder),
    // A test runner's own NODE_ENV would build React as for development: twice the size and slower.
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`The ${build.name} could not be built:\n${output.trim()}`);
}
