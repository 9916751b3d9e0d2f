import type { CarrierDoor } from "@atlantic/native";

/** A login as the client said it (RFC 1929 §2), and what it says. */
export interface SocksLogin {
  readonly bytes: Buffer;
  readonly username: string;
  readonly password: string;
}

/** How long a login that was right is taken for right, until it is asked about: which it is each time. */
const LIVES_MS = 1_000;
const MOST_KNOWN = 256;

/**
 * SOCKS5 logins that were right just now. Who shows one again from the same address is told so by the engine, and is
 * shown with its request: one trip between the threads in place of two. Nothing is dialled before it was asked about.
 */
export class KnownLogins {
  readonly #door: Pick<CarrierDoor, "knowLogin">;
  /** When they were told of, by address and login. */
  readonly #told = new Map<string, number>();

  constructor(door: Pick<CarrierDoor, "knowLogin">) {
    this.#door = door;
  }

  /** @param login the message as the client said it (RFC 1929 §2) */
  wasRight(client: string, login: Buffer): void {
    const key = `${client} ${login.toString("latin1")}`;
    const now = performance.now();
    if (now - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < LIVES_MS / 2) return;
    if (this.#told.size >= MOST_KNOWN) this.#told.clear();
    this.#told.set(key, now);
    this.#door.knowLogin({ livesMs: LIVES_MS, client, login });
  }

  /** What was right may be no more: all are asked about before they are told. */
  withdraw(): void {
    this.#told.clear();
    this.#door.knowLogin(null);
  }
}
