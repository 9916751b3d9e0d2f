import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { must } from "@atlantic/lab/src/net/run.ts";
import { z } from "zod";
import { freePort } from "../peers/pinned-process.ts";

const repository = join(import.meta.dirname, "../../..");

/** A clone of what is committed, with this checkout's dependencies, started by `npm start`. */
export interface CloneStart {
  /** Starts, waits for the line that says it is ready, ends it, and tells the seconds from the command to that line. */
  secondsToReady(): Promise<number>;
}

/** Makes a clone in an empty folder. Dependencies are hard links; caches of builds are left out. */
export async function freshClone(folder: string): Promise<CloneStart> {
  const clone = join(folder, "atlantic-proxy");
  await must(["git", "clone", "--quiet", "--no-hardlinks", repository, clone]);
  for (const workspace of ["", ...workspaces()]) {
    const modules = join(workspace, "node_modules");
    if (!existsSync(join(repository, modules))) continue;
    await must(["cp", "-al", join(repository, modules), join(clone, modules)]);
    for (const cache of [".cache", ".vite", ".vite-temp"]) {
      rmSync(join(clone, modules, cache), { recursive: true, force: true });
    }
  }
  const data = join(folder, "data");
  return { secondsToReady: () => startOnce(clone, data) };
}

const packageSchema = z.object({ workspaces: z.array(z.string()) });

function workspaces(): string[] {
  return packageSchema.parse(JSON.parse(readFileSync(join(repository, "package.json"), "utf8"))).workspaces;
}

async function startOnce(clone: string, data: string): Promise<number> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const [web, gateway, proxy] = ports.map(String);
  const flags = ["--data", data, `--web-port=${web}`, `--gateway-port=${gateway}`, `--proxy-port=${proxy}`];
  const began = performance.now();
  // In a process group of its own, as a terminal would have it: Ctrl-C reaches all of it.
  const child = spawn("npm", ["start", "--silent", "--", ...flags], {
    cwd: clone,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DATABASE_URL: "", REDIS_URL: "" },
  });
  const gone = once(child, "exit");
  try {
    await printed(child.stdout, child.stderr, "Atlantic Proxy is ready");
    return (performance.now() - began) / 1000;
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGINT");
    await gone;
  }
}

function printed(
  stdout: NodeJS.ReadableStream,
  stderr: NodeJS.ReadableStream,
  wanted: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(
      () => reject(new Error(`npm start was not ready in two minutes: ${said}`)),
      120_000,
    );
    for (const stream of [stdout, stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (!said.includes(wanted)) return;
        clearTimeout(timer);
        resolve();
      });
    }
    stdout.on("end", () => reject(new Error(`npm start ended before it was ready: ${said}`)));
  });
}
