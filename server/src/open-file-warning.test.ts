import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openFileWarning } from "./open-file-warning.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-open-file-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test.each([0o644, 0o640, 0o602])(
  "a file with passwords that others reach (%o) is warned of",
  async (mode) => {
    const path = join(directory, "upstreams.json");
    await writeFile(path, "{}");
    await chmod(path, mode);
    expect(await openFileWarning(path)).toContain(`chmod 600 ${path}`);
  },
);

test("one for its owner alone is not, nor one that is not there", async () => {
  const path = join(directory, "closed.json");
  await writeFile(path, "{}", { mode: 0o600 });
  expect(await openFileWarning(path)).toBeNull();
  expect(await openFileWarning(join(directory, "missing.json"))).toBeNull();
});
