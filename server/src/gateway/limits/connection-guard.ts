/** How many connections strangers may have. */
export interface ConnectionGuardLimits {
  /** Connections of one address that have not shown a right credential yet, open at once. */
  readonly strangersAtOnce: number;
  /** New connections a second of one address that never showed one, after a first burst of `strangersAtOnce`. */
  readonly strangersPerSecond: number;
  /** Connections of one address in all. */
  readonly connections: number;
}

export const DEFAULT_GUARD_LIMITS: ConnectionGuardLimits = {
  strangersAtOnce: 4_096,
  strangersPerSecond: 500,
  connections: 50_000,
};

/** More addresses than this are not remembered while they have nothing open. */
const MAX_ADDRESSES = 50_000;

interface Visitor {
  open: number;
  strangers: number;
  /** How many may still come before they have to wait for time to pass. */
  tokens: number;
  filledAt: number;
}

/**
 * Stops floods of connections: an address may have so many that never show a right credential, at once and per second.
 * A connection that shows one gives its place back, so that customers are not counted among strangers. An IPv6 client
 * counts with its /64, which one person has.
 */
export class ConnectionGuard {
  readonly #limits: ConnectionGuardLimits;
  readonly #clock: () => number;
  readonly #visitors = new Map<string, Visitor>();

  /** @param clock milliseconds, never going back */
  constructor(limits: Partial<ConnectionGuardLimits> = {}, clock: () => number = () => performance.now()) {
    this.#limits = { ...DEFAULT_GUARD_LIMITS, ...limits };
    this.#clock = clock;
  }

  /** A connection was accepted. `false`: it is to be destroyed at once, and is not counted. */
  accept(address: string): boolean {
    const visitor = this.#visitor(address);
    this.#fill(visitor);
    const { strangersAtOnce, connections } = this.#limits;
    if (visitor.tokens < 1 || visitor.strangers >= strangersAtOnce || visitor.open >= connections)
      return false;
    visitor.tokens -= 1;
    visitor.strangers += 1;
    visitor.open += 1;
    return true;
  }

  /** The connection has shown a right credential: called once for each that did. */
  known(address: string): void {
    const visitor = this.#visitor(address);
    visitor.strangers -= 1;
    visitor.tokens = Math.min(this.#limits.strangersAtOnce, visitor.tokens + 1);
  }

  /** The connection is closed. @param wasKnown whether `known` was called for it */
  closed(address: string, wasKnown: boolean): void {
    const visitor = this.#visitor(address);
    visitor.open -= 1;
    if (!wasKnown) visitor.strangers -= 1;
  }

  #visitor(address: string): Visitor {
    const key = placeOf(address);
    const found = this.#visitors.get(key);
    if (found) return found;
    if (this.#visitors.size >= MAX_ADDRESSES) this.#forget();
    const added = { open: 0, strangers: 0, tokens: this.#limits.strangersAtOnce, filledAt: this.#clock() };
    this.#visitors.set(key, added);
    return added;
  }

  #fill(visitor: Visitor): void {
    const now = this.#clock();
    const { strangersPerSecond, strangersAtOnce } = this.#limits;
    visitor.tokens = Math.min(
      strangersAtOnce,
      visitor.tokens + ((now - visitor.filledAt) / 1_000) * strangersPerSecond,
    );
    visitor.filledAt = now;
  }

  /** Drops those with nothing open that have been quiet long enough to begin anew. */
  #forget(): void {
    for (const [key, visitor] of this.#visitors) {
      this.#fill(visitor);
      if (visitor.open === 0 && visitor.tokens >= this.#limits.strangersAtOnce) this.#visitors.delete(key);
    }
  }
}

function placeOf(address: string): string {
  if (address.startsWith("::ffff:") && address.includes(".")) return address.slice(7);
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill("0"), ...rest].slice(0, 4).join(":");
}
