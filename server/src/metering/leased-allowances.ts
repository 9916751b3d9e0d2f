import { type Allowance, createAllowance } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import type { Logger } from "pino";
import {
  HELD_MOST_BYTES,
  LEASE_LEAST_BYTES,
  LEASE_LIFETIME_MS,
  LEASE_MOST_BYTES,
  LEASES_AT_ONCE,
  type Lease,
  type LeaseStore,
  type LeaseWish,
} from "./leases.ts";

/** A lease lasts about this long at the speed that the account has. */
const LEASE_SECONDS = 0.5;
const SWEEP_MS = 1_000;
/** An account whose bytes stood still for this many sweeps gives back what it has left. */
const STILL_SWEEPS = 3;
const RENEW_MS = 5_000;
/** Leases are not spent in the last moments before others may think this gateway dead. */
const CAUTION_MS = 5_000;
const RETRY_MS = 250;
/** How many times a new flow waits for a database that does not answer. */
const MAX_TRIES = 20;
/** After so long it waits no more, in milliseconds, however few tries that were. */
const MAX_WAIT_MS = 10_000;
/** Between two looks whether what has flowed was settled. */
const SETTLE_MS = 10;

export interface LeasedAllowancesParts {
  readonly store: LeaseStore;
  readonly logger: Logger;
  /** Writes usage that was counted and not written: what is written is settled, and makes room for more leases. */
  readonly flush: () => Promise<void>;
  /** Does that and takes a lease in one; undefined where that cannot be done at once, and no lease was taken. */
  readonly flushAndTake: (wish: LeaseWish) => Promise<Lease | undefined>;
  /** How many flows an account has open in this process. */
  readonly countOpen: (userId: string) => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/**
 * What each account may still move in this process, filled by leases out of its balance. Nothing flows that was not
 * reserved before; see docs/decisions/leases.md.
 */
export class LeasedAllowances {
  readonly #parts: LeasedAllowancesParts;
  readonly #clock: () => number;
  readonly #accounts = new Map<string, LeasedAccount>();
  readonly #sweeper: NodeJS.Timeout;
  #renewedAt: number;
  #renewing: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #suspended = false;

  constructor(parts: LeasedAllowancesParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? (() => performance.now());
    this.#renewedAt = this.#clock();
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /**
   * The account's allowance, with something in it.
   * @throws ProxyError `quota_exhausted`
   */
  of(userId: string): Allowance | Promise<Allowance> {
    const known = this.#accounts.get(userId);
    const account = known === undefined || known.ended ? this.#open(userId, known) : known;
    return account.allowance.remaining > 0 ? account.allowance : account.filled();
  }

  /** @param before the one that had nothing left: what it still asks of the store comes first */
  #open(userId: string, before: LeasedAccount | undefined): LeasedAccount {
    const account: LeasedAccount = new LeasedAccount(
      userId,
      {
        ...this.#parts,
        clock: this.#clock,
        flush: () => this.#flush(),
        suspended: () => this.#suspended,
        atRest: () => {
          if (this.#accounts.get(userId) === account) this.#accounts.delete(userId);
        },
      },
      before?.settled ?? Promise.resolve(),
    );
    this.#accounts.set(userId, account);
    return account;
  }

  /** One write at a time, however many accounts wait for it. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#parts.flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Called every second: renews, gives back what lies idle, and stops what can no longer be vouched for. */
  sweep(): void {
    const age = this.#clock() - this.#renewedAt;
    if (age >= RENEW_MS) this.#renewing ??= this.#renew();
    if (age >= LEASE_LIFETIME_MS - CAUTION_MS) this.#suspend();
    if (this.#suspended) return;
    for (const account of this.#accounts.values()) account.sweep();
  }

  async #renew(): Promise<void> {
    const asked = this.#clock();
    try {
      const outcome = await this.#parts.store.renew();
      this.#renewedAt = asked;
      if (outcome === "lost") for (const account of this.#accounts.values()) account.lose();
      this.#suspended = false;
      for (const account of this.#accounts.values()) account.resume();
    } catch (error) {
      this.#parts.logger.error({ err: error }, "leases were not renewed");
    } finally {
      this.#renewing = undefined;
    }
  }

  /** The database was not reached for so long that others may soon be given what is left here. */
  #suspend(): void {
    this.#suspended = true;
    for (const account of this.#accounts.values()) account.suspend();
  }

  /** How many accounts are open here, what is left of their leases, and when those were renewed, by the clock. */
  held(): { readonly accounts: number; readonly bytes: number; readonly renewedAt: number } {
    let bytes = 0;
    for (const account of this.#accounts.values()) bytes += account.leftBytes;
    return { accounts: this.#accounts.size, bytes, renewedAt: this.#renewedAt };
  }

  /** Gives everything back. Usage has to be written before. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await this.#renewing;
    await Promise.all([...this.#accounts.values()].map((account) => account.close()));
    await this.#parts.store.close();
  }
}

interface AccountParts {
  readonly store: LeaseStore;
  readonly logger: Logger;
  readonly flush: () => Promise<void>;
  readonly flushAndTake: (wish: LeaseWish) => Promise<Lease | undefined>;
  readonly countOpen: (userId: string) => number;
  readonly clock: () => number;
  readonly suspended: () => boolean;
  /** Called when it holds nothing any more and no flow is open. */
  readonly atRest: () => void;
}

/** One account's allowance in this process. Whatever it asks of the store it asks one after the other. */
class LeasedAccount {
  readonly allowance: Allowance;
  readonly #userId: string;
  readonly #parts: AccountParts;
  #wantedBytes = LEASE_LEAST_BYTES;
  #addedBytes = 0;
  #goneAtLease = 0;
  #leasedAt: number;
  #goneAtSweep = 0;
  #stillSweeps = 0;
  #refilling: Promise<void> | undefined;
  #last: Promise<unknown>;
  #grants = 0;
  #leftBefore = 0;
  #dry = false;
  #ended = false;
  #heldBack = 0;
  /** How often all that was held was lost. */
  #losses = 0;
  /** Wishes that the store has not answered: it may hold leases for them. */
  #unheardBytes = 0;
  #goneAtSettle = -1;

  constructor(userId: string, parts: AccountParts, after: Promise<unknown>) {
    this.#userId = userId;
    this.#parts = parts;
    this.#last = after;
    this.#leasedAt = parts.clock();
    this.allowance = createAllowance(LEASE_LEAST_BYTES / 2, {
      onLow: () => this.#refill(),
      onDry: () => {
        this.#dry = true;
        this.#refill();
      },
    });
  }

  /** Whether nothing flows through it any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What is left of its leases, what may not be spent at the moment among it. */
  get leftBytes(): number {
    return this.allowance.remaining + this.#heldBack;
  }

  /** Resolves when the store has answered all that was asked of it so far. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  /** Waits for a lease. @throws ProxyError `quota_exhausted`, or `internal` when the database does not answer */
  async filled(): Promise<Allowance> {
    const { suspended, clock } = this.#parts;
    const grants = this.#grants;
    const until = clock() + MAX_WAIT_MS;
    for (let tries = 0; tries < MAX_TRIES && clock() < until && !suspended(); tries++) {
      // Somebody waits now: a refill that finds nothing ends the account.
      this.#dry = true;
      await this.#refill();
      if (this.#ended) throw new ProxyError("quota_exhausted");
      if (this.#grants > grants) return this.allowance;
    }
    throw new ProxyError("internal", "The account's balance cannot be read at the moment. Try again.");
  }

  #refill(): Promise<void> {
    this.#refilling ??= this.#inOrder(() => this.#takeLease()).finally(() => {
      this.#refilling = undefined;
      if (this.#dry && !this.#ended && !this.#parts.suspended()) this.#refill();
    });
    return this.#refilling;
  }

  #inOrder<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #takeLease(): Promise<void> {
    if (this.#ended || this.#parts.suspended()) return;
    this.#measure();
    const { logger, store, flush } = this.#parts;
    const losses = this.#losses;
    try {
      const lease = await this.#ask({ userId: this.#userId, bytes: this.#wantedBytes });
      if (losses !== this.#losses) await store.giveBack(this.#userId, lease.grantedBytes);
      else if (lease.grantedBytes > 0) {
        this.#grant(lease.grantedBytes);
        if (lease.heldBytes - this.allowance.remaining > HELD_MOST_BYTES / 2) flush().catch(() => {});
      } else if (lease.moreToCome) await this.#settle();
      else if (this.#dry) await this.#endUnlessLeft();
    } catch (error) {
      logger.error({ err: error }, "no lease could be taken");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #grant(bytes: number): void {
    this.#dry = false;
    this.#grants += 1;
    this.#addedBytes += bytes;
    // An answer may be so late that others may soon be given what it grants.
    if (this.#parts.suspended()) this.#heldBack += bytes;
    else this.allowance.add(bytes);
  }

  async #ask(wish: LeaseWish): Promise<Lease> {
    this.#unheardBytes += wish.bytes;
    const lease = await this.#take(wish);
    this.#unheardBytes -= wish.bytes;
    return lease;
  }

  /** A fast account's usage is written with it: it would have to be soon, for what is not settled has a bound. */
  async #take(wish: LeaseWish): Promise<Lease> {
    const { store, flushAndTake } = this.#parts;
    if (wish.bytes < LEASE_MOST_BYTES) return store.take(wish);
    const lease = await flushAndTake(wish);
    return lease === undefined || lease.grantedBytes === 0 ? store.take(wish) : lease;
  }

  /** The most that may be put aside is: what has flowed of it is written, so that it is settled. */
  async #settle(): Promise<void> {
    const gone = this.#gone();
    await this.#parts.flush();
    if (gone === this.#goneAtSettle) await this.#giveBackUnheard();
    this.#goneAtSettle = gone;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    // Nothing is added, but that it is low is said again.
    this.allowance.add(0);
  }

  /**
   * Leases whose answers were lost are held all the same, and would be until no flow is open. Nothing has flowed since
   * all was written: what is held beyond what is left is theirs.
   */
  async #giveBackUnheard(): Promise<void> {
    if (this.#unheardBytes === 0) return;
    const { store } = this.#parts;
    const heldBytes = await store.giveBack(this.#userId, 0);
    const unheard = Math.min(heldBytes - this.allowance.remaining, this.#unheardBytes);
    if (unheard > 0) await store.giveBack(this.#userId, unheard);
    this.#unheardBytes = 0;
  }

  /**
   * Leases are as large as the account is fast: one is half a second's worth. Where the largest is less than that,
   * several are taken at once, and again before the last of them is begun.
   */
  #measure(): void {
    const now = this.#parts.clock();
    const gone = this.#gone();
    const seconds = Math.max(0.001, (now - this.#leasedAt) / 1_000);
    const worth = ((gone - this.#goneAtLease) / seconds) * LEASE_SECONDS;
    const most = LEASES_AT_ONCE * LEASE_MOST_BYTES;
    this.#wantedBytes = Math.round(Math.min(most, Math.max(LEASE_LEAST_BYTES, worth)));
    this.allowance.setLowBelow(Math.min(this.#wantedBytes / 2, LEASE_MOST_BYTES));
    this.#leasedAt = now;
    this.#goneAtLease = gone;
  }

  /** How many bytes flows have taken so far. */
  #gone(): number {
    return this.#addedBytes - this.allowance.remaining;
  }

  /** Word that somebody waits may be older than the last lease: what is left of that is moved first. */
  async #endUnlessLeft(): Promise<void> {
    const left = this.allowance.remaining;
    if (left === 0 || left === this.#leftBefore) return this.#end();
    this.#leftBefore = left;
    this.#dry = false;
    // Nothing is added, but whoever waits for more says so again.
    this.allowance.add(0);
  }

  /** Whoever waits is refused, and what is left goes back: the next connection begins with a new account. */
  async #end(): Promise<void> {
    this.#ended = true;
    this.allowance.close();
    await this.#return();
  }

  async #return(): Promise<void> {
    const left = this.allowance.reclaim();
    this.#addedBytes -= left;
    if (left === 0) return;
    await this.#parts.store.giveBack(this.#userId, left).catch((error: unknown) => {
      this.#parts.logger.error({ err: error }, "a lease was not given back");
      // It may have been all the same: nobody spends it, and what is held of it yet is found with the unheard ones.
      this.#unheardBytes += left;
    });
  }

  sweep(): void {
    const gone = this.#gone();
    this.#stillSweeps = gone === this.#goneAtSweep ? this.#stillSweeps + 1 : 0;
    this.#goneAtSweep = gone;
    if (this.#stillSweeps < STILL_SWEEPS || this.#refilling !== undefined) return;
    this.#stillSweeps = 0;
    this.#inOrder(() => this.#rest()).catch(() => {});
  }

  /** Nothing moves: what is left is given back, and where no flow is open all that is not settled as well. */
  async #rest(): Promise<void> {
    const { store, flush, countOpen, atRest } = this.#parts;
    await this.#return();
    this.#goneAtSweep = this.#gone();
    if (countOpen(this.#userId) > 0) return;
    await flush();
    if (countOpen(this.#userId) > 0) return;
    await store.giveBackAll(this.#userId);
    this.#unheardBytes = 0;
    if (countOpen(this.#userId) > 0 || this.#refilling !== undefined) return;
    this.#ended = true;
    this.allowance.close();
    atRest();
  }

  suspend(): void {
    this.#heldBack += this.allowance.reclaim();
  }

  /** What was reserved is no longer ours. */
  lose(): void {
    this.#addedBytes -= this.#heldBack + this.allowance.reclaim();
    this.#heldBack = 0;
    this.#losses += 1;
  }

  resume(): void {
    if (this.#heldBack > 0) this.allowance.add(this.#heldBack);
    this.#heldBack = 0;
    if (this.#dry) this.#refill();
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.allowance.close();
    await this.#last;
  }
}
