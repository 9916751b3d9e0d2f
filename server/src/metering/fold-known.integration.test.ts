import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount } from "../gateway/testing/gateway-fixture.ts";
import { closeLost } from "./close-lost.ts";
import { foldUsage } from "./fold-usage.ts";
import { HELD_MOST_BYTES, LEASE_MOST_BYTES, type LeaseStore } from "./leases.ts";
import { openStoredLeases } from "./stored-leases.ts";
import type { UsageEvent } from "./usage-event.ts";

const NOTHING = { sentBytes: 0, receivedBytes: 0, requests: 1 };

describe.each(databaseKinds)("a connection that is known and stays open, on %s", (kind) => {
  let database: OpenDatabase;
  let gatewayId: string;
  let store: LeaseStore;
  let userId: string;
  let first: UsageEvent;
  let epoch: bigint;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    gatewayId = randomUUID();
    const account = await createAccount(database.db, BigInt(10 * HELD_MOST_BYTES));
    userId = account.userId;
    store = await openStoredLeases(database.db, gatewayId);
    first = {
      connection: {
        id: randomUUID(),
        userId,
        credentialId: account.username,
        client: "127.0.0.1",
        protocol: "connect",
        targetHost: "site.example",
        targetPort: 443,
        exitCountry: null,
        exitCity: null,
        exitLabel: null,
        exitAddress: null,
        upstream: "local",
        openedAt: 0,
      },
      connectionStored: false,
      seq: 1,
      totals: NOTHING,
      at: 0,
    };
    ({ epoch } = await foldUsage(database.db, gatewayId, [first]));
  });
  afterEach(() => store.close());

  const moved = (sentBytes: number): UsageEvent => ({
    ...first,
    connectionStored: true,
    base: { totals: NOTHING, epoch },
    seq: 2,
    totals: { ...NOTHING, sentBytes },
  });

  async function balance() {
    const [row] = await database.db
      .selectFrom("traffic_balances")
      .select(["used_bytes", "reserved_bytes"])
      .where("user_id", "=", userId)
      .execute();
    return { used: Number(row?.used_bytes), reserved: Number(row?.reserved_bytes) };
  }

  test("is written together with a lease, which has the room that what was written gave back", async () => {
    const wish = { userId, bytes: LEASE_MOST_BYTES };
    for (let held = 0; held < HELD_MOST_BYTES; ) held = (await store.take(wish)).heldBytes;
    const { lease } = await foldUsage(database.db, gatewayId, [moved(3_000_000)], wish);
    expect(lease).toMatchObject({ grantedBytes: 3_000_000, heldBytes: HELD_MOST_BYTES });
    expect(await balance()).toEqual({ used: 3_000_000, reserved: HELD_MOST_BYTES });
  });

  test("carries no more, and takes no lease, when it was believed lost and closed", async () => {
    await closeLost(database.db, { kind: "of", gatewayId });
    const wish = { userId, bytes: LEASE_MOST_BYTES };
    const outcome = await foldUsage(database.db, gatewayId, [moved(3_000_000)], wish);
    expect(outcome).toMatchObject({ closedElsewhere: [first.connection.id] });
    expect(outcome.lease).toBeUndefined();
    expect(await balance()).toEqual({ used: 0, reserved: 0 });
  });

  test("is dropped when its account was deleted, and holds nobody else's up", async () => {
    const staying = await createAccount(database.db);
    const record = {
      ...first.connection,
      id: randomUUID(),
      userId: staying.userId,
      credentialId: staying.username,
    };
    const other: UsageEvent = { ...first, connection: record };
    await foldUsage(database.db, gatewayId, [other]);
    await database.db.deleteFrom("user").where("id", "=", userId).execute();
    const { balances } = await foldUsage(database.db, gatewayId, [
      moved(5),
      { ...moved(7), connection: record },
    ]);
    expect(balances.map((each) => each.userId)).toEqual([staying.userId]);
    const events = database.db.selectFrom("usage_events").selectAll();
    expect(await events.where("connection_id", "=", first.connection.id).execute()).toEqual([]);
  });
});
