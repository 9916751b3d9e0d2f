import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
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
