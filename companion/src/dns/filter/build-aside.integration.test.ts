import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainSet } from "@atlantic/shared/blocking/domain-set.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildAside } from "./build-aside.ts";
import { lineOfFile } from "./line-of-file.ts";
import type { SetSource } from "./set-source.ts";

const KEY = { low: 1, high: 2 };
const COUNT = 60_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atlantic-aside-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function source(lines: readonly string[]): SetSource {
  const file = join(folder, "list.txt");
  writeFileSync(file, `${lines.join("\n")}\n`);
  return { by: "list", id: "big", title: "Big", rank: null, rules: { file } };
}

test("a large list is built in a process of its own, and says what a small one would", async () => {
  const lines = Array.from({ length: COUNT }, (_, index) => `||name${index}.example^`);
  const big = source([...lines, "||ads*.example^", "example.com##.banner"]);
  const { parts, contents } = await buildAside([big], KEY);
  const set = new DomainSet(parts);
  expect(contents).toEqual([{ rules: COUNT + 1, notUnderstood: { "hides parts of pages": 1 } }]);
  expect(set.find("www.name59999.example", 1)).toEqual({ list: 0, line: COUNT, rank: 1 });
  expect(set.find("ads7.example", 1)?.line).toBe(COUNT + 1);
  expect(set.find("other.example", 1)).toBeUndefined();
  expect(lineOfFile(join(folder, "list.txt"), COUNT)).toBe(`||name${COUNT - 1}.example^`);
});

test("a list that is not there is an error, and no empty set", async () => {
  const gone: SetSource = {
    by: "list",
    id: "gone",
    title: "Gone",
    rank: null,
    rules: { file: join(folder, "gone.txt") },
  };
  await expect(buildAside([gone], KEY)).rejects.toThrow(/ENOENT/);
});
