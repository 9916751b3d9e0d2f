import type { Cache } from "./cache.ts";

interface Entry {
  value: string;
  readonly expiresAt: number;
}

/** Beyond this the oldest entries are dropped: a flood of addresses must not fill the memory. */
const MAX_ENTRIES = 100_000;

/** A cache in this process's memory. */
export function createMemoryCache(now: () => number = Date.now): Cache {
  const entries = new Map<string, Entry>();

  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || entry.expiresAt > now()) return entry;
    entries.delete(key);
    return undefined;
  };
  const put = (key: string, value: string, lifetimeMs: number): Entry => {
    if (entries.size >= MAX_ENTRIES) makeRoom(entries, now());
    const entry = { value, expiresAt: now() + lifetimeMs };
    entries.set(key, entry);
    return entry;
  };

  return {
    kind: "memory",
    get: async (key) => live(key)?.value ?? null,
    set: async (key, value, lifetimeMs) => {
      put(key, value, lifetimeMs);
    },
    delete: async (key) => {
      entries.delete(key);
    },
    increment: async (key, lifetimeMs) => {
      const entry = live(key) ?? put(key, "0", lifetimeMs);
      const count = Number(entry.value) + 1;
      entry.value = String(count);
      return { count, remainingMs: entry.expiresAt - now() };
    },
    ping: async () => {},
    close: async () => entries.clear(),
  };
}

function makeRoom(entries: Map<string, Entry>, now: number): void {
  for (const [key, entry] of entries) if (entry.expiresAt <= now) entries.delete(key);
  for (const key of entries.keys()) {
    if (entries.size < MAX_ENTRIES) return;
    entries.delete(key);
  }
}
