import { connect } from "node:net";
import type { AccountApi, AccountBalance } from "../upstream/account-api.ts";
import type { ExitUpstream } from "../upstream/exit-upstream.ts";

export interface UpstreamHealth {
  readonly reachable: boolean;
  readonly problem: string | null;
}

const CONNECT_TIMEOUT_MS = 3_000;

/** How often the upstream is looked at while somebody wants to know. */
const LOOK_EVERY_MS = 15_000;

/** What is known about the way to the exits: whether it can be reached, and what the account has left. */
export class UpstreamWatch {
  readonly #upstream: ExitUpstream;
  readonly #api: AccountApi;
  readonly #changed: () => void;
  #health: UpstreamHealth = { reachable: false, problem: "It has not been tried yet." };
  #balance: AccountBalance | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(upstream: ExitUpstream, api: AccountApi, changed: () => void) {
    this.#upstream = upstream;
    this.#api = api;
    this.#changed = changed;
  }

  get health(): UpstreamHealth {
    return this.#health;
  }

  get balance(): AccountBalance | null {
    return this.#balance;
  }

  /** Looks now, and then again and again until `stop`. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
    await this.look();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
  }

  /** Looks unless it was done a moment ago. */
  async lookIfOld(ms: number): Promise<void> {
    if (performance.now() - this.#lookedAt > ms) await this.look();
  }

  /** Never rejects. */
  async look(): Promise<void> {
    this.#lookedAt = performance.now();
    const before = JSON.stringify([this.#health, this.#balance]);
    const [health, balance] = await Promise.all([
      reach(this.#upstream),
      this.#api.balance().catch(() => this.#balance),
    ]);
    this.#health = health;
    this.#balance = balance;
    if (JSON.stringify([health, balance]) !== before) this.#changed();
  }
}

function reach({ entry, name }: ExitUpstream): Promise<UpstreamHealth> {
  return new Promise((resolve) => {
    const socket = connect(entry);
    const fail = (what: string) => {
      socket.destroy();
      resolve({ reachable: false, problem: `The ${name} ${what}: check that it runs, and the network.` });
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail("does not answer"));
    socket.once("error", () => fail("refuses connections"));
    socket.once("connect", () => {
      socket.destroy();
      resolve({ reachable: true, problem: null });
    });
  });
}
