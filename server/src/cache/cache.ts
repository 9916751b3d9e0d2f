/**
 * Small, short-lived state that every process of the server shares: limits and counters. Redis when there is one,
 * this process's memory otherwise. What must not be lost belongs in the database.
 */
export interface Cache {
  readonly kind: "memory" | "redis";
  get(key: string): Promise<string | null>;
  set(key: string, value: string, lifetimeMs: number): Promise<void>;
  delete(key: string): Promise<void>;
  /** Adds one to a counter, in one step for everybody. The first call starts its lifetime; later ones leave it. */
  increment(key: string, lifetimeMs: number): Promise<{ count: number; remainingMs: number }>;
  /** @throws when it cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
