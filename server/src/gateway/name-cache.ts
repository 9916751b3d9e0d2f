import { lookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";

/** What a name server said, for how many seconds it holds. */
export interface NameAnswer {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** @throws an error whose `code` is ENOTFOUND or ENODATA where the name has no address; any other is a failure */
export type NameQuery = (host: string) => Promise<NameAnswer>;

const SHORTEST_S = 5;
const LONGEST_S = 300;
/** A name without an address is asked for again soon: it may have just been made. */
const NEGATIVE_MS = 5_000;
const FAILED_MS = 1_000;
/** How long an old answer may stand in while name servers fail (RFC 8767 §5). */
const STALE_MS = 3_600_000;
const MAX_NAMES = 20_000;

interface Known {
  readonly addresses: readonly string[];
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** Why there are no addresses. */
  readonly error: unknown;
}

/** The addresses of names, for as long as name servers say. Those that ask for one name at once ask once. */
export class NameCache {
  readonly #query: NameQuery;
  readonly #clock: () => number;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();

  /** @param parts.clock milliseconds that never go back */
  constructor(parts: { query?: NameQuery; clock?: () => number } = {}) {
    this.#query = parts.query ?? systemQuery();
    this.#clock = parts.clock ?? (() => performance.now());
  }

  /**
   * At once where the answer is known; the same array for as long as it is the same answer.
   * @throws the query's error where the name has no address, or cannot be asked for
   */
  addressesOf(host: string): readonly string[] | Promise<readonly string[]> {
    const known = this.#known.get(host);
    if (known !== undefined && this.#clock() < known.freshUntil) {
      if (known.error !== undefined) throw known.error;
      return known.addresses;
    }
    const running = this.#asking.get(host);
    if (running) return running;
    const asked = this.#ask(host, known).finally(() => this.#asking.delete(host));
    this.#asking.set(host, asked);
    return asked;
  }

  async #ask(host: string, before: Known | undefined): Promise<readonly string[]> {
    try {
      const { addresses, ttlSeconds } = await this.#query(host);
      if (addresses.length === 0)
        throw Object.assign(new Error(`${host} has no address`), { code: "ENODATA" });
      const freshMs = Math.min(Math.max(ttlSeconds, SHORTEST_S), LONGEST_S) * 1_000;
      const same = before !== undefined && isSame(before.addresses, addresses);
      return this.#keep(host, { addresses: same ? before.addresses : addresses, error: undefined }, freshMs);
    } catch (error) {
      const gone = hasNoAddress(error);
      if (!gone && before && before.addresses.length > 0 && this.#clock() < before.staleUntil) {
        this.#known.set(host, { ...before, freshUntil: this.#clock() + FAILED_MS });
        return before.addresses;
      }
      this.#keep(host, { addresses: [], error }, gone ? NEGATIVE_MS : FAILED_MS);
      throw error;
    }
  }

  #keep(
    host: string,
    { addresses, error }: Pick<Known, "addresses" | "error">,
    freshMs: number,
  ): readonly string[] {
    const freshUntil = this.#clock() + freshMs;
    // The newest stand last, so that what is dropped is what was asked for longest ago.
    this.#known.delete(host);
    this.#known.set(host, { addresses, error, freshUntil, staleUntil: freshUntil + STALE_MS });
    if (this.#known.size > MAX_NAMES) {
      const oldest = this.#known.keys().next().value;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    return addresses;
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((address) => other.includes(address));
}

function hasNoAddress(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOTFOUND" || code === "ENODATA";
}

const HOSTS_FILE = "/etc/hosts";
const HOSTS_FRESH_MS = 30_000;
/** For answers that come without a lifetime. */
const UNTOLD_TTL_S = 30;

/**
 * Asks the name servers themselves, who tell how long an answer holds; names of the hosts file, and names without a
 * dot, are the system's.
 */
function systemQuery(): NameQuery {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  let hosts: ReadonlySet<string> = new Set();
  let hostsReadAt = Number.NEGATIVE_INFINITY;
  return async (host) => {
    if (performance.now() - hostsReadAt > HOSTS_FRESH_MS) {
      hostsReadAt = performance.now();
      hosts = await namesOfHostsFile();
    }
    if (!host.includes(".") || hosts.has(host)) return fromSystem(host);
    const answers = await Promise.allSettled([
      resolver.resolve4(host, { ttl: true }),
      resolver.resolve6(host, { ttl: true }),
    ]);
    const records = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    // Where there are no name servers to ask, or they know nothing, the system may know other ways.
    if (records.length === 0) return fromSystem(host);
    return {
      addresses: records.map(({ address }) => address),
      ttlSeconds: Math.min(...records.map(({ ttl }) => ttl)),
    };
  };
}

async function fromSystem(host: string): Promise<NameAnswer> {
  const answers = await lookup(host, { all: true, order: "verbatim" });
  return { addresses: answers.map(({ address }) => address), ttlSeconds: UNTOLD_TTL_S };
}

async function namesOfHostsFile(): Promise<ReadonlySet<string>> {
  const text = await readFile(HOSTS_FILE, "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/));
  return new Set(lines.flatMap(([, ...names]) => names));
}
