import type { Cache } from "./cache.ts";

/** Counts and, for the first count, starts the lifetime: one step, so that no counter is left without an end. */
const INCREMENT = `
local count = redis.call("INCR", KEYS[1])
if count == 1 then redis.call("PEXPIRE", KEYS[1], ARGV[1]) end
return {count, redis.call("PTTL", KEYS[1])}`;

/** Every key of ours begins with this, so that one Redis can serve others too. */
const PREFIX = "atlantic:";

/**
 * A cache in Redis. Calls fail at once while Redis cannot be reached: whoever asks decides what that means.
 *
 * @param url redis://… or rediss://…
 */
export async function createRedisCache(url: string): Promise<Cache> {
  const { Redis } = await import("ioredis");
  const redis = new Redis(url, {
    keyPrefix: PREFIX,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 5_000,
    commandTimeout: 2_000,
  });
  // ioredis connects again by itself; without a listener an error event would end the process.
  redis.on("error", () => {});
  await redis.connect();
  return {
    kind: "redis",
    get: (key) => redis.get(key),
    set: async (key, value, lifetimeMs) => {
      await redis.set(key, value, "PX", Math.max(1, Math.ceil(lifetimeMs)));
    },
    delete: async (key) => {
      await redis.del(key);
    },
    increment: async (key, lifetimeMs) => {
      const answer = await redis.eval(INCREMENT, 1, key, Math.max(1, Math.ceil(lifetimeMs)));
      const [count, remainingMs] = answer as [number, number];
      return { count, remainingMs };
    },
    ping: async () => {
      await redis.ping();
    },
    close: async () => {
      await redis.quit().catch(() => redis.disconnect());
    },
  };
}
