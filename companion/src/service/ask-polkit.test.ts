import { expect, test } from "vitest";
import { askPolkit, RELEASE_ACTION } from "./ask-polkit.ts";

const peer = { pid: process.pid, uid: 1000, gid: 1000 };

test("root is not asked", async () => {
  await askPolkit({ ...peer, uid: 0 }, () => Promise.reject(new Error("was asked")));
});

test("polkit is asked about the process, its start and its user, and a yes is a yes", async () => {
  const asked: string[][] = [];
  await askPolkit(peer, async (program, argv) => {
    asked.push([program, ...argv]);
    return { code: 0 };
  });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain(RELEASE_ACTION);
  expect(asked[0]?.[4]).toMatch(new RegExp(`^${process.pid},[1-9]\\d*,1000$`));
});

test.each([1, 2, 3, 127])("the answer %i is a no", async (code) => {
  await expect(askPolkit(peer, async () => ({ code }))).rejects.toThrow(/use sudo/);
});

test("without polkit, and without knowing who asks, nothing is released", async () => {
  await expect(askPolkit(peer, () => Promise.reject(new Error("ENOENT")))).rejects.toThrow(/polkit is not/);
  await expect(askPolkit(null, async () => ({ code: 0 }))).rejects.toThrow(/who asks/);
});

test("a process that has gone releases nothing", async () => {
  await expect(askPolkit({ ...peer, pid: 2 ** 22 }, async () => ({ code: 0 }))).rejects.toThrow(/gone/);
});
