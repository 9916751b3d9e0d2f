import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { LeasedAllowances } from "./leased-allowances.ts";
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

const logger = pino({ level: "silent" });
const USER = "user";

/** A store in memory with a balance without an end; `answer` may hold back or lose what it answers. */
class StoreInMemory implements LeaseStore {
  heldBytes = 0;
  mostBytes = HELD_MOST_BYTES;
  answer: (lease: Lease) => Lease | Promise<Lease> = (lease) => lease;
  renewed: () => Promise<"held" | "lost"> = async () => "held";

  async take({ bytes }: LeaseWish): Promise<Lease> {
    const grantedBytes = Math.min(bytes, this.mostBytes - this.heldBytes);
    this.heldBytes += grantedBytes;
    return this.answer({ grantedBytes, heldBytes: this.heldBytes, moreToCome: true });
  }

  async giveBack(_userId: string, bytes: number): Promise<number> {
    this.heldBytes -= Math.min(bytes, this.heldBytes);
    return this.heldBytes;
  }

  async giveBackAll(): Promise<void> {
    this.heldBytes = 0;
  }

  renew(): Promise<"held" | "lost"> {
    return this.renewed();
  }

  async reclaimExpired(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    this.heldBytes = 0;
  }
}

let leased: LeasedAllowances | undefined;
afterEach(() => leased?.close());

function start(store: LeaseStore, clock = () => 0): LeasedAllowances {
  leased = new LeasedAllowances({
    store,
    logger,
    flush: async () => {},
    flushAndTake: async () => undefined,
    countOpen: () => 1,
    clock,
  });
  return leased;
}

/** A lease that is taken, and whose answer comes when that is said. */
function lateAnswer(store: StoreInMemory) {
  const { promise: answered, resolve: come } = Promise.withResolvers<void>();
  const { promise: taken, resolve: isTaken } = Promise.withResolvers<void>();
  store.answer = async (lease) => {
    isTaken();
    await answered;
    return lease;
  };
  return { taken, come };
}

test("leases whose answers were lost do not keep an account waiting while its flows are open", async () => {
  const store = new StoreInMemory();
  const allowance = await start(store).of(USER);
  expect(allowance.take(allowance.remaining)).toBe(true);
  await store.giveBack(USER, store.heldBytes);
  store.mostBytes = LEASES_AT_ONCE * LEASE_MOST_BYTES;
  store.answer = (lease) => {
    if (lease.grantedBytes > 0) throw new Error("The line broke before the answer came.");
    store.answer = (answered) => answered;
    return lease;
  };
  expect(await allowance.take(LEASE_LEAST_BYTES)).toBe(true);
  expect(store.heldBytes - allowance.remaining).toBe(LEASE_LEAST_BYTES);
});

test("a lease that is answered when others may soon be given it is not spent before it is renewed", async () => {
  const store = new StoreInMemory();
  let now = 0;
  const allowances = start(store, () => now);
  const late = lateAnswer(store);
  const opening = Promise.resolve(allowances.of(USER));
  await late.taken;
  store.renewed = () => Promise.reject(new Error("It does not answer."));
  now = LEASE_LIFETIME_MS - 1;
  allowances.sweep();
  late.come();
  const allowance = await opening;
  expect(allowance.remaining).toBe(0);
  store.renewed = async () => "held";
  allowances.sweep();
  await expect.poll(() => allowance.remaining).toBe(LEASE_LEAST_BYTES);
});

test("a lease that is answered when all was lost meanwhile is given back, and another is taken", async () => {
  const store = new StoreInMemory();
  let now = 0;
  const allowances = start(store, () => now);
  const late = lateAnswer(store);
  const opening = Promise.resolve(allowances.of(USER));
  await late.taken;
  now = 5_000;
  const lost = Promise.withResolvers<void>();
  store.renewed = async () => {
    store.heldBytes = 0;
    lost.resolve();
    return "lost";
  };
  allowances.sweep();
  await lost.promise;
  await new Promise((resolve) => setImmediate(resolve));
  store.answer = (lease) => lease;
  late.come();
  expect((await opening).remaining).toBe(LEASE_LEAST_BYTES);
  expect(store.heldBytes).toBe(LEASE_LEAST_BYTES);
});

test("what may have been given back is spent no more, whether the answer came or not", async () => {
  const store = new StoreInMemory();
  const allowances = start(store);
  const allowance = await allowances.of(USER);
  const giveBack = store.giveBack.bind(store);
  const { promise: broken, resolve: isBroken } = Promise.withResolvers<void>();
  store.giveBack = async (userId, bytes) => {
    await giveBack(userId, bytes);
    store.giveBack = giveBack;
    isBroken();
    throw new Error("The line broke before the answer came.");
  };
  for (let second = 0; second < 4; second += 1) allowances.sweep();
  await broken;
  await new Promise((resolve) => setImmediate(resolve));
  expect([store.heldBytes, allowance.remaining]).toEqual([0, 0]);
  expect(await allowance.take(1_000)).toBe(true);
  expect(store.heldBytes).toBe(LEASE_LEAST_BYTES);
});
