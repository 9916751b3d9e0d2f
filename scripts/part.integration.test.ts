import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { startPart } from "./part.ts";
import { repository } from "./settings.ts";

const message = z.union([
  z.object({ kind: z.literal("ready"), pid: z.int() }),
  z.object({ kind: z.literal("failed"), sentence: z.string() }),
]);
const quiet = { name: "The part", env: {}, message, onTrouble: () => {} };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "atlantic-part-"));
});

async function program(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return relative(repository, file);
}

test("a part that cannot start reports its own sentence", async () => {
  const entry = await program(
    "fails.ts",
    'process.send({ kind: "failed", sentence: "Port 1 is in use." }); process.exit(1);',
  );
  await expect(startPart({ ...quiet, entry })).rejects.toThrow("Port 1 is in use.");
});

test("a part that ends before it is ready is an error, not a hang", async () => {
  const entry = await program("ends.ts", "process.exit(3);");
  await expect(startPart({ ...quiet, entry })).rejects.toThrow(
    "The part ended before it was ready (exit code 3).",
  );
});

test("stopping lets a part finish its work", async () => {
  const mark = join(folder, "finished");
  const entry = await program(
    "finishes.ts",
    `import { writeFileSync } from "node:fs";
     process.on("SIGTERM", () => { writeFileSync(${JSON.stringify(mark)}, "yes"); process.exit(0); });
     process.send({ kind: "ready", pid: process.pid }); setInterval(() => {}, 1000);`,
  );
  const part = await startPart({ ...quiet, entry });
  await part.stop();
  expect(await readFile(mark, "utf8")).toBe("yes");
  expect(() => process.kill(part.ready.pid, 0)).toThrow();
});

test("a part that dies at once after it was ready is reported and not started again", async () => {
  const entry = await program(
    "dies.ts",
    'process.send({ kind: "ready", pid: process.pid }, () => process.exit(9)); setInterval(() => {}, 1000);',
  );
  const onTrouble = vi.fn();
  const part = await startPart({ ...quiet, entry, onTrouble });
  await expect.poll(() => onTrouble.mock.calls.length).toBe(1);
  expect(onTrouble.mock.calls[0]).toEqual([expect.stringContaining("exit code 9"), false]);
  await part.stop();
});
