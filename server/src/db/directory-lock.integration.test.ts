import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DirectoryInUseError, lockDirectory } from "./directory-lock.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-lock-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("a directory is one process's alone, and the refusal names that process and the way out", async () => {
  const holder = await holdInAnotherProcess();
  const refused = await lockDirectory(directory).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DirectoryInUseError);
  expect(String(refused)).toContain(`process ${holder.pid}`);
  expect(String(refused)).toContain("ATLANTIC_DATA");
  await end(holder, "SIGTERM");
});

test("a holder that was killed leaves nothing behind that could refuse the next", async () => {
  await end(await holdInAnotherProcess(), "SIGKILL");
  const lock = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toBeInstanceOf(DirectoryInUseError);
  lock.release();
  (await lockDirectory(directory)).release();
});

async function holdInAnotherProcess() {
  const module = JSON.stringify(join(import.meta.dirname, "directory-lock.ts"));
  const program = `const { lockDirectory } = await import(${module});
    await lockDirectory(process.argv[1]);
    console.log("held");
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", program, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return holder;
}

async function end(child: Awaited<ReturnType<typeof holdInAnotherProcess>>, signal: NodeJS.Signals) {
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}
