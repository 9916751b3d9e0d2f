import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleAll,
} from "cockatiel";

export interface UpstreamPoolOptions {
  /** In the order of preference. */
  readonly names: readonly string[];
  /** Whether the upstream can be reached: rejects when not. */
  readonly probe: (name: string) => Promise<void>;
  /** The one in use does not answer any more. */
  readonly lost: (name: string) => void;
  /** How long until it is looked whether the one in use still answers. */
  readonly beatMs: () => number;
}

export interface SearchReport {
  found(name: string): void;
  /** None answers; the search goes on. */
  notYet(problem: string): void;
}

/** Failures in a row after which an upstream is left alone for a while. */
const FAILURES = 2;
const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 5_000;
/** How long a better one may take after a worse one has answered. */
const GRACE_MS = 100;
const SEARCH_AGAIN_MS = 200;

/** Upstreams, each behind a circuit breaker: which one answers, and whether the one in use still does. */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #breakers: ReadonlyMap<string, CircuitBreakerPolicy>;
  #search: AbortController | null = null;
  #used: string | null = null;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
    this.#breakers = new Map(options.names.map((name) => [name, newBreaker()]));
  }

  /** Looks for the best upstream that answers, until there is one or the search is stopped. Ends the search before. */
  search(report: SearchReport): void {
    this.stopSearch();
    const search = new AbortController();
    this.#search = search;
    void this.#run(report, search.signal);
  }

  stopSearch(): void {
    this.#search?.abort();
    this.#search = null;
    this.use(null);
  }

  /** The upstream that is watched from now on. */
  use(name: string | null): void {
    this.#used = name;
    clearTimeout(this.#beat);
    if (name !== null) this.#beatLater();
  }

  /** A flow, or the validator, found it not answering: looked at again at once, before it is given up. */
  failed(name: string): void {
    void this.#attempt(name, () => Promise.reject(new Error(`${name} failed a flow`))).then(() => {
      if (name === this.#used) this.look();
    });
  }

  /** It answers, and not as it should: left alone for a while. */
  async distrust(name: string): Promise<void> {
    for (let count = 0; count < FAILURES; count++) {
      await this.#attempt(name, () => Promise.reject(new Error(`${name} is not trusted`)));
    }
  }

  /** Looks now whether the one in use still answers. */
  look(): void {
    if (this.#used === null) return;
    clearTimeout(this.#beat);
    void this.#lookAt(this.#used);
  }

  /** How each one stands, for people and for the validator. */
  states(): readonly { readonly name: string; readonly state: "up" | "resting" | "on trial" }[] {
    return [...this.#breakers].map(([name, { state }]) => ({ name, state: inWords(state) }));
  }

  async #lookAt(name: string): Promise<void> {
    const answers = await this.#attempt(name, () => this.#options.probe(name));
    if (name !== this.#used) return;
    if (answers) return this.#beatLater();
    if (this.#breakers.get(name)?.state === CircuitState.Closed) return this.#lookAt(name);
    this.use(null);
    this.#options.lost(name);
  }

  #beatLater(): void {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.look(), this.#options.beatMs());
    this.#beat.unref();
  }

  async #run(report: SearchReport, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const found = await this.#best();
      if (signal.aborted) return;
      if (found !== undefined) return report.found(found);
      report.notYet(`No upstream answers: ${this.#options.names.join(", ")}. It is tried again and again.`);
      await after(SEARCH_AGAIN_MS);
    }
  }

  /** All are asked at once; of those that answer about as soon, the first in order. */
  async #best(): Promise<string | undefined> {
    const answered = new Set<string>();
    const first = Promise.withResolvers<void>();
    const attempts = this.#options.names.map(async (name) => {
      if (!(await this.#attempt(name, () => this.#options.probe(name)))) return;
      answered.add(name);
      first.resolve();
    });
    const all = Promise.all(attempts);
    await Promise.race([first.promise, all]);
    if (this.#options.names[0] !== undefined && !answered.has(this.#options.names[0])) {
      await Promise.race([all, after(GRACE_MS)]);
    }
    return this.#options.names.find((name) => answered.has(name));
  }

  /** False when it failed, or rests after failures. Never rejects. */
  async #attempt(name: string, probe: () => Promise<void>): Promise<boolean> {
    try {
      await this.#breakers.get(name)?.execute(probe);
      return true;
    } catch {
      return false;
    }
  }
}

function newBreaker(): CircuitBreakerPolicy {
  return circuitBreaker(handleAll, {
    halfOpenAfter: new ExponentialBackoff({ initialDelay: FIRST_REST_MS, maxDelay: LONGEST_REST_MS }),
    breaker: new ConsecutiveBreaker(FAILURES),
  });
}

function inWords(state: CircuitState): "up" | "resting" | "on trial" {
  if (state === CircuitState.Closed) return "up";
  return state === CircuitState.HalfOpen ? "on trial" : "resting";
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
