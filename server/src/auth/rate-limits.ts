import type { Cache } from "../cache/cache.ts";

/** What a limit says of one more request. */
export interface LimitAnswer {
  readonly allowed: boolean;
  /** Seconds. */
  readonly retryAfter: number | null;
}

/**
 * Counts requests in the shared cache, in windows that begin with the first request. While the cache cannot be
 * reached nobody signs in: guessing passwords must not become free.
 */
export function createRateLimitStorage(cache: Cache) {
  return {
    /** @param rule.window seconds */
    consume: async (key: string, rule: { window: number; max: number }): Promise<LimitAnswer> => {
      const windowMs = rule.window * 1000;
      const counted = await cache.increment(`limit:${key}`, windowMs).catch(() => null);
      if (counted === null) return { allowed: false, retryAfter: rule.window };
      if (counted.count <= rule.max) return { allowed: true, retryAfter: null };
      return { allowed: false, retryAfter: Math.max(1, Math.ceil(counted.remainingMs / 1000)) };
    },
  };
}
