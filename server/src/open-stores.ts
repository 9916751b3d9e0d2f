import { join } from "node:path";
import type { Cache } from "./cache/cache.ts";
import { createMemoryCache } from "./cache/memory-cache.ts";
import { createRedisCache } from "./cache/redis-cache.ts";
import type { Config } from "./config.ts";
import { type OpenDatabase, openDatabase } from "./db/open.ts";
import { StartError } from "./start-error.ts";

/** @throws StartError or DirectoryInUseError with a sentence for people */
export function openConfiguredDatabase(config: Config): Promise<OpenDatabase> {
  return openDatabase(
    config.databaseUrl === null
      ? { kind: "pglite", directory: join(config.directory, "pglite") }
      : { kind: "postgres", url: config.databaseUrl },
  ).catch((error: unknown) => {
    if (config.databaseUrl === null) throw error;
    throw new StartError("The database at DATABASE_URL cannot be reached: start it, or correct the address.");
  });
}

/** @throws StartError with a sentence for people */
export function openConfiguredCache(config: Config): Promise<Cache> | Cache {
  if (config.redisUrl === null) return createMemoryCache();
  return createRedisCache(config.redisUrl).catch(() => {
    throw new StartError("Redis at REDIS_URL cannot be reached: start it, or correct the address.");
  });
}
