import { randomUUID } from "node:crypto";
import type { KyselyPlugin } from "kysely";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../gateway/testing/gateway-fixture.ts";
import { LEASE_MOST_BYTES } from "./leases.ts";
import { openStoredLeases } from "./stored-leases.ts";
import { StoredUsage } from "./stored-usage.ts";

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTemporaryDatabase("pglite");
});
afterAll(() => database?.close());

/** An open connection that has sent more whenever it is asked. */
function busyConnection({ userId, username }: TestAccount) {
  let sentBytes = 0;
  const record = {
    id: randomUUID(),
    userId,
    credentialId: username,
    client: "127.0.0.1",
    protocol: "connect" as const,
    targetHost: "site.example",
    targetPort: 443,
    exitCountry: null,
    exitCity: null,
    exitLabel: null,
    exitAddress: null,
    upstream: "local",
    openedAt: 0,
  };
  const totals = () => {
    sentBytes += 1_000;
    return { sentBytes, receivedBytes: 0, requests: 1 };
  };
  return { record, totals, end: undefined, cut: () => {} };
}

/** The database, with what it was asked so far; answers wait for `answered`. */
function listeningTo(db: OpenDatabase["db"]) {
  const listening = { asked: 0, answered: Promise.resolve() };
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      listening.asked += 1;
      return node;
    },
    transformResult: async ({ result }) => {
      await listening.answered;
      return result;
    },
  };
  return { listening, db: db.withPlugin(plugin) };
}

describe("whether an account has bytes left", () => {
  let account: TestAccount;
  let usage: StoredUsage;
  let listening: ReturnType<typeof listeningTo>["listening"];
  beforeEach(async () => {
    account = await createAccount(database.db);
    const heard = listeningTo(database.db);
    listening = heard.listening;
    usage = new StoredUsage({ db: heard.db, gatewayId: randomUUID(), logger: pino({ level: "silent" }) });
  });
  afterEach(() => usage.close());

  test("is read once for all connections that come at the same moment", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => usage.mayOpen(account.userId)));
    expect(new Set(answers)).toEqual(new Set([true]));
    expect(listening.asked).toBe(1);
  });

  test("is read anew for who comes after a top-up, whatever was under way", async () => {
    const balance = database.db.updateTable("traffic_balances").where("user_id", "=", account.userId);
    await balance.set({ allowance_bytes: 0n }).execute();
    const { promise, resolve } = Promise.withResolvers<void>();
    listening.answered = promise;
    const before = usage.mayOpen(account.userId);
    // Nothing else tells when the database has read it.
    await database.db.selectFrom("traffic_balances").selectAll().execute();
    await balance.set({ allowance_bytes: 1n }).execute();
    const after = usage.mayOpen(account.userId);
    resolve();
    expect([await before, await after]).toEqual([false, true]);
  });
});

test("an account whose writing is always under way does not keep others' usage from being written", async () => {
  const { db } = database;
  const gatewayId = randomUUID();
  const [fast, slow] = [await createAccount(db), await createAccount(db)];
  const store = await openStoredLeases(db, gatewayId);
  const usage = new StoredUsage({ db, gatewayId, logger: pino({ level: "silent" }), flushMs: 5 });
  usage.open(busyConnection(fast));
  await usage.flush();
  let isOver = false;
  const writing = (async () => {
    while (!isOver) await usage.flushAndTake({ userId: fast.userId, bytes: LEASE_MOST_BYTES });
  })();
  usage.open(busyConnection(slow));
  const usedBySlow = async () => {
    const balance = db.selectFrom("traffic_balances").select("used_bytes").where("user_id", "=", slow.userId);
    return (await balance.executeTakeFirstOrThrow()).used_bytes;
  };
  try {
    await expect.poll(usedBySlow, { timeout: 15_000 }).toBeGreaterThan(0n);
  } finally {
    isOver = true;
    await writing;
    await usage.close();
    await store.close();
  }
});
