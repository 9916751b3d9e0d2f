import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRateLimitStorage } from "../auth/rate-limits.ts";
import type { Cache } from "./cache.ts";
import { createMemoryCache } from "./memory-cache.ts";
import { createRedisCache } from "./redis-cache.ts";

let directory: string;
let redis: ChildProcess;
let socket: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-redis-"));
  socket = join(directory, "redis.sock");
  redis = await startRedis();
});
afterAll(async () => {
  await stopRedis("SIGTERM");
  await rm(directory, { recursive: true, force: true });
});

describe.each(["memory", "redis"] as const)("the cache in %s", (kind) => {
  let cache: Cache;

  beforeAll(async () => {
    cache = kind === "memory" ? createMemoryCache() : await createRedisCache(socket);
  });
  afterAll(() => cache.close());

  test("keeps what was set until its time is over", async () => {
    await cache.set("kept", "value", 60_000);
    await cache.set("short", "value", 1);
    expect(await cache.get("kept")).toBe("value");
    await until(async () => (await cache.get("short")) === null);
    await cache.delete("kept");
    expect(await cache.get("kept")).toBeNull();
    expect(await cache.get("never")).toBeNull();
  });

  test("counts every one of many at once, and starts anew after the lifetime of the first", async () => {
    const counts = await Promise.all(Array.from({ length: 100 }, () => cache.increment("hits", 60_000)));
    expect(counts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    expect(counts.every(({ remainingMs }) => remainingMs > 50_000 && remainingMs <= 60_000)).toBe(true);
    await cache.increment("brief", 20);
    await until(async () => (await cache.increment("brief", 20)).count === 1);
  });

  test("limits exactly: of ten at once three are let through", async () => {
    const limits = createRateLimitStorage(cache);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => limits.consume("198.51.100.1|/sign-in/email", { window: 10, max: 3 })),
    );
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(3);
    expect(answers.filter(({ retryAfter }) => retryAfter !== null && retryAfter > 0)).toHaveLength(7);
  });
});

test("while Redis is away nobody may sign in, and when it is back they may", async () => {
  const cache = await createRedisCache(socket);
  const limits = createRateLimitStorage(cache);
  const rule = { window: 10, max: 1000 };
  expect((await limits.consume("a", rule)).allowed).toBe(true);
  await stopRedis("SIGKILL");
  expect(await limits.consume("a", rule)).toEqual({ allowed: false, retryAfter: 10 });
  await expect(cache.ping()).rejects.toThrow();
  redis = await startRedis();
  await until(async () => (await limits.consume("a", rule)).allowed);
  await cache.close();
});

test("a memory that is full drops the oldest, not the newest", async () => {
  const cache = createMemoryCache();
  for (let key = 0; key <= 100_000; key++) await cache.set(`key${key}`, "value", 60_000);
  expect(await cache.get("key0")).toBeNull();
  expect(await cache.get("key100000")).toBe("value");
});

async function startRedis(): Promise<ChildProcess> {
  const server = spawn(
    "redis-server",
    ["--port", "0", "--unixsocket", socket, "--dir", directory, "--save", ""],
    {
      stdio: "ignore",
    },
  );
  await until(() => accepts(socket));
  return server;
}

async function stopRedis(signal: NodeJS.Signals): Promise<void> {
  const exited = once(redis, "exit");
  redis.kill(signal);
  await exited;
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once("connect", () => probe.end(() => resolve(true)));
    probe.once("error", () => resolve(false));
  });
}

/** Looks again and again until it is so: the state is another process's. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(10);
}
