import { OldTargets } from "./old-targets.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

const IDLE_MS = 15_000;
const MAX_IDLE_PER_KEY = 32;
const MAX_IDLE = 2_000;

/** Connections to targets that wait for another client of the same credential, exit, session and target. */
export class UpstreamPool {
  readonly oldTargets = new OldTargets();
  readonly #idle = new Map<string, UpstreamConnection[]>();
  #count = 0;

  take(key: string): UpstreamConnection | undefined {
    const waiting = this.#idle.get(key);
    while (waiting !== undefined && waiting.length > 0) {
      const connection = waiting.pop();
      this.#count -= 1;
      if (waiting.length === 0) this.#idle.delete(key);
      if (connection && !connection.socket.destroyed) return connection;
    }
    return undefined;
  }

  give(connection: UpstreamConnection, now: number): void {
    const waiting = this.#idle.get(connection.key) ?? [];
    if (connection.socket.destroyed || waiting.length >= MAX_IDLE_PER_KEY || this.#count >= MAX_IDLE) {
      connection.socket.destroy();
      return;
    }
    connection.user = undefined;
    connection.idleSince = now;
    waiting.push(connection);
    this.#idle.set(connection.key, waiting);
    this.#count += 1;
  }

  /** Closes what has waited too long, or is closed already. */
  sweep(now: number): void {
    for (const [key, waiting] of this.#idle) {
      const kept = waiting.filter((one) => !one.socket.destroyed && now - one.idleSince < IDLE_MS);
      for (const one of waiting) if (!kept.includes(one)) one.socket.destroy();
      this.#count -= waiting.length - kept.length;
      if (kept.length === 0) this.#idle.delete(key);
      else this.#idle.set(key, kept);
    }
  }

  close(): void {
    for (const waiting of this.#idle.values()) for (const one of waiting) one.socket.destroy();
    this.#idle.clear();
    this.#count = 0;
  }
}
