import { randomInt, randomUUID } from "node:crypto";
import { words } from "./words.ts";

export const PAIRING_LIFETIME_MS = 5 * 60_000;
const MAX_OPEN = 20;
const WORD_COUNT = 6;

/** A browser that waits for a person to say that it is theirs. */
export interface PairingRequest {
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly words: readonly string[];
  readonly expiresAt: number;
  /** Tells the browser how it ended. */
  settled(accepted: boolean): void;
}

/** Pairings that were asked for and neither answered nor forgotten yet. */
export class PairingRequests {
  readonly #open = new Map<string, PairingRequest>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  begin(name: string, token: string, settled: (accepted: boolean) => void): PairingRequest {
    this.#forgetExpired();
    const [oldest] = this.#open.values();
    if (this.#open.size >= MAX_OPEN && oldest) this.take(oldest.id)?.settled(false);
    const expiresAt = this.#now() + PAIRING_LIFETIME_MS;
    const request = { id: randomUUID(), name, token, words: chooseWords(), expiresAt, settled };
    this.#open.set(request.id, request);
    return request;
  }

  pending(): PairingRequest[] {
    this.#forgetExpired();
    return [...this.#open.values()];
  }

  /** Takes a request out to answer it; `undefined` when it is not there any more. */
  take(id: string): PairingRequest | undefined {
    this.#forgetExpired();
    const request = this.#open.get(id);
    this.#open.delete(id);
    return request;
  }

  #forgetExpired(): void {
    for (const request of this.#open.values()) {
      if (request.expiresAt > this.#now()) continue;
      this.#open.delete(request.id);
      request.settled(false);
    }
  }
}

function chooseWords(): string[] {
  return Array.from({ length: WORD_COUNT }, () => words[randomInt(words.length)] ?? "");
}
