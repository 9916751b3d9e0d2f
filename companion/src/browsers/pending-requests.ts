import type { PendingRequest } from "@atlantic/shared/control/messages.ts";

/** A request that the extension has seen and whose tunnel may be asked for. */
export interface Pending extends PendingRequest {
  /** When it was told, in milliseconds of `performance.now()`. */
  readonly since: number;
  /** A challenge was answered for its tab and host: the next challenge is not for it. */
  answered: boolean;
}

/** A request that neither came back nor failed is forgotten after this long. */
const LIFETIME_MS = 60_000;

/** The most requests remembered for one browser; beyond, the oldest is forgotten. */
const CAPACITY = 5_000;

/** The requests of one browser that are under way, found by the host that they go to. */
export class PendingRequests {
  readonly #byId = new Map<string, Pending>();
  readonly #byTarget = new Map<string, Set<Pending>>();

  /** A redirected request keeps its id and changes its host: the newer word counts. */
  started(request: PendingRequest, now: number): void {
    this.settled(request.requestId);
    this.#forgetOld(now);
    const pending: Pending = { ...request, since: now, answered: false };
    const key = targetKey(request.host, request.port);
    this.#byId.set(request.requestId, pending);
    const same = this.#byTarget.get(key);
    if (same) same.add(pending);
    else this.#byTarget.set(key, new Set([pending]));
  }

  settled(requestId: string): void {
    const pending = this.#byId.get(requestId);
    if (!pending) return;
    this.#byId.delete(requestId);
    const key = targetKey(pending.host, pending.port);
    const same = this.#byTarget.get(key);
    same?.delete(pending);
    if (same?.size === 0) this.#byTarget.delete(key);
  }

  at(host: string, port: number, now: number): Pending[] {
    this.#forgetOld(now);
    return [...(this.#byTarget.get(targetKey(host, port)) ?? [])];
  }

  /** A tunnel of this tab was attributed: its oldest request that can answer has answered. */
  answeredFor(tabId: number | null, host: string, port: number): void {
    for (const pending of this.#byTarget.get(targetKey(host, port)) ?? []) {
      if (pending.answered || !pending.challengeable || (tabId !== null && pending.tabId !== tabId)) continue;
      pending.answered = true;
      return;
    }
  }

  get size(): number {
    return this.#byId.size;
  }

  #forgetOld(now: number): void {
    for (const pending of this.#byId.values()) {
      if (now - pending.since < LIFETIME_MS && this.#byId.size <= CAPACITY) return;
      this.settled(pending.requestId);
    }
  }
}

function targetKey(host: string, port: number): string {
  return `${host.toLowerCase()}:${port}`;
}
