/** How many connections one address may have. */
export interface ConnectionGuardLimits {
  /** Open at once, of an address that has shown no right credential lately. */
  readonly strangersAtOnce: number;
  /** New ones a second of such an address, after a first burst of `strangersAtOnce`. */
  readonly strangersPerSecond: number;
  /** Open at once of any address. */
  readonly connections: number;
}

const DEFAULT_GUARD_LIMITS: ConnectionGuardLimits = {
  strangersAtOnce: 4_096,
  strangersPerSecond: 500,
  connections: 50_000,
};

/** How long an address is no stranger after it has shown a right credential. */
const KNOWN_MS = 60_000;
/** More addresses than this are not remembered while they have nothing open. */
const MAX_ADDRESSES = 50_000;

interface Visitor {
  open: number;
  /** How many may still come before time has to pass. */
  tokens: number;
  filledAt: number;
  knownUntil: number;
}

/**
 * Stops floods of connections: an address that shows no right credential may have so many, at once and per second.
 * Customers are held only to what one address can sensibly have. An IPv6 client counts with its /64, which one person
 * has.
 */
export class ConnectionGuard {
  readonly #limits: ConnectionGuardLimits;
  readonly #clock: () => number;
  readonly #visitors = new Map<string, Visitor>();
  #turnedAway = 0;

  /** @param clock milliseconds, never going back */
  constructor(limits: Partial<ConnectionGuardLimits> = {}, clock: () => number = () => performance.now()) {
    this.#limits = { ...DEFAULT_GUARD_LIMITS, ...limits };
    this.#clock = clock;
  }

  /** A connection arrived. `false`: it is to be destroyed at once. */
  arrive(address: string): boolean {
    const visitor = this.#visitor(address);
    const now = this.#clock();
    if (visitor.knownUntil > now) return true;
    this.#fill(visitor, now);
    if (visitor.tokens < 1) return false;
    visitor.tokens -= 1;
    return true;
  }

  /** The same for one whose end will be told. `false`: it is not counted as open. */
  accept(address: string): boolean {
    const visitor = this.#visitor(address);
    const { strangersAtOnce, connections } = this.#limits;
    const most = visitor.knownUntil > this.#clock() ? connections : strangersAtOnce;
    if (visitor.open >= most || !this.arrive(address)) {
      this.#turnedAway += 1;
      return false;
    }
    visitor.open += 1;
    return true;
  }

  /** How many were not accepted so far. */
  get turnedAway(): number {
    return this.#turnedAway;
  }

  /** The address has shown a right credential. */
  known(address: string): void {
    this.#visitor(address).knownUntil = this.#clock() + KNOWN_MS;
  }

  /** A connection that was accepted is closed. */
  closed(address: string): void {
    this.#visitor(address).open -= 1;
  }

  #visitor(address: string): Visitor {
    const key = placeOf(address);
    const found = this.#visitors.get(key);
    if (found) return found;
    if (this.#visitors.size >= MAX_ADDRESSES) this.#forget();
    const added = { open: 0, tokens: this.#limits.strangersAtOnce, filledAt: this.#clock(), knownUntil: 0 };
    this.#visitors.set(key, added);
    return added;
  }

  #fill(visitor: Visitor, now: number): void {
    const { strangersPerSecond, strangersAtOnce } = this.#limits;
    const came = ((now - visitor.filledAt) / 1_000) * strangersPerSecond;
    visitor.tokens = Math.min(strangersAtOnce, visitor.tokens + came);
    visitor.filledAt = now;
  }

  /** Drops those with nothing open that have been quiet long enough to begin anew. */
  #forget(): void {
    const now = this.#clock();
    for (const [key, visitor] of this.#visitors) {
      this.#fill(visitor, now);
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
