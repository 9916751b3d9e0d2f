import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../gateway/testing/gateway-fixture.ts";
import { foldUsage } from "./fold-usage.ts";
import { type UsageEvent, usageEventId } from "./usage-event.ts";
import type { ConnectionRecord } from "./usage-recorder.ts";

const GATEWAY = "7d3c0a3e-0000-4000-8000-000000000001";
const AT = Date.UTC(2026, 10, 23, 12, 30);

test("an event's id is its gateway's, connection's and number's, and nobody else's", () => {
  const id = usageEventId(GATEWAY, "a", 1);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(usageEventId(GATEWAY, "a", 1)).toBe(id);
  const others = [usageEventId(GATEWAY, "a", 2), usageEventId(GATEWAY, "b", 1), usageEventId("g", "a", 1)];
  expect(new Set([id, ...others]).size).toBe(4);
});

describe.each(databaseKinds)("folding usage on %s", (kind) => {
  let database: OpenDatabase;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  function recordOf(account: TestAccount): ConnectionRecord {
    return {
      id: randomUUID(),
      userId: account.userId,
      credentialId: account.username,
      client: "127.0.0.1",
      protocol: "connect",
      targetHost: "site.example",
      targetPort: 443,
      exitCountry: "de",
      exitCity: "berlin",
      exitLabel: "Berlin, Germany",
      exitAddress: null,
      upstream: "local",
      openedAt: AT,
    };
  }

  async function storedTotals({ userId }: TestAccount) {
    const { db } = database;
    const balance = await db
      .selectFrom("traffic_balances")
      .select("used_bytes")
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    const hours = await db
      .selectFrom("proxy_usage")
      .selectAll()
      .where("user_id", "=", userId)
      .orderBy("hour")
      .execute();
    const connections = await db
      .selectFrom("proxy_connections")
      .selectAll()
      .where("user_id", "=", userId)
      .execute();
    const sum = (pick: (row: (typeof hours)[number]) => bigint) =>
      hours.reduce((all, row) => all + pick(row), 0n);
    return {
      connections,
      hours,
      used: balance.used_bytes,
      sent: sum((row) => row.sent_bytes),
      received: sum((row) => row.received_bytes),
      requests: sum((row) => row.requests),
      failed: sum((row) => row.failed),
    };
  }

  /** What happens to a connection: steps that only rise, which of them arrive, and how often. */
  const history = fc.record({
    steps: fc.array(
      fc.record({
        sent: fc.bigInt({ min: 0n, max: 1_000_000_000_000n }),
        received: fc.bigInt({ min: 0n, max: 1_000_000_000_000n }),
        requests: fc.bigInt({ min: 0n, max: 3n }),
        minutes: fc.integer({ min: 0, max: 50 }),
        copies: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    ends: fc.constantFrom("open", "well", "badly"),
  });

  function eventsOf(record: ConnectionRecord, { steps, ends }: { steps: readonly Step[]; ends: string }) {
    const totals = { sent: 0n, received: 0n, requests: 0n, at: AT };
    return steps.map((step, index) => {
      totals.sent += step.sent;
      totals.received += step.received;
      totals.requests += step.requests;
      totals.at += step.minutes * 60_000;
      const last = index === steps.length - 1 && ends !== "open";
      const event: UsageEvent = {
        connection: record,
        connectionStored: false,
        seq: index + 1,
        sentBytes: totals.sent,
        receivedBytes: totals.received,
        requests: totals.requests,
        at: totals.at,
        ...(last && { end: { outcome: ends === "well" ? "ended" : "dns_error", failed: ends === "badly" } }),
      };
      return { event, copies: step.copies };
    });
  }
  type Step = { sent: bigint; received: bigint; requests: bigint; minutes: number; copies: number };

  test("in any order, however often, with gaps: every byte that arrived is counted once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(history, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 5 }),
        async (histories, random, batchSize) => {
          const account = await createAccount(database.db);
          const all = histories.map((one) => eventsOf(recordOf(account), one));
          const delivered = all
            .flatMap((events) => events.flatMap(({ event, copies }) => Array<UsageEvent>(copies).fill(event)))
            .map((event) => ({ event, place: random.next().value }))
            .sort((a, b) => a.place - b.place)
            .map(({ event }) => event);
          for (let at = 0; at < delivered.length; at += batchSize) {
            await foldUsage(database.db, GATEWAY, delivered.slice(at, at + batchSize));
          }
          const last = all.flatMap((events) => events.findLast(({ copies }) => copies > 0)?.event ?? []);
          const sum = (pick: (event: UsageEvent) => bigint) =>
            last.reduce((total, event) => total + pick(event), 0n);
          const stored = await storedTotals(account);
          expect(stored.sent).toBe(sum(({ sentBytes }) => sentBytes));
          expect(stored.received).toBe(sum(({ receivedBytes }) => receivedBytes));
          expect(stored.requests).toBe(sum(({ requests }) => requests));
          expect(stored.used).toBe(stored.sent + stored.received);
          expect(stored.failed).toBe(BigInt(last.filter(({ end }) => end?.failed).length));
          expect(stored.connections.length).toBe(last.length);
          for (const event of last) {
            const row = stored.connections.find(({ id }) => id === event.connection.id);
            expect(row?.sent_bytes).toBe(event.sentBytes);
            expect(row?.received_bytes).toBe(event.receivedBytes);
            expect(row?.last_seq).toBe(event.seq);
            expect(row?.outcome ?? undefined).toBe(event.end?.outcome);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("two folds of the same events at the same time count them once", async () => {
    const account = await createAccount(database.db);
    const events = Array.from(
      { length: 50 },
      (_, index): UsageEvent => ({
        connection: recordOf(account),
        connectionStored: false,
        seq: 1,
        sentBytes: BigInt(index),
        receivedBytes: 1n,
        requests: 1n,
        at: AT,
      }),
    );
    await Promise.all([
      foldUsage(database.db, GATEWAY, events),
      foldUsage(database.db, GATEWAY, events.toReversed()),
      foldUsage(database.db, GATEWAY, events),
    ]);
    expect((await storedTotals(account)).used).toBe(BigInt((49 * 50) / 2 + 50));
  });

  test("bytes of an hour stay in the hour in which they were counted", async () => {
    const account = await createAccount(database.db);
    const connection = recordOf(account);
    const event = (seq: number, sentBytes: bigint, at: number): UsageEvent => ({
      connection,
      connectionStored: seq > 1,
      seq,
      sentBytes,
      receivedBytes: 0n,
      requests: 1n,
      at,
    });
    await foldUsage(database.db, GATEWAY, [event(1, 10n, AT)]);
    await foldUsage(database.db, GATEWAY, [event(2, 25n, AT + 3_600_000)]);
    const { hours } = await storedTotals(account);
    expect(hours.map(({ hour, sent_bytes }) => [hour.toISOString(), sent_bytes])).toEqual([
      ["2026-11-23T12:00:00.000Z", 10n],
      ["2026-11-23T13:00:00.000Z", 15n],
    ]);
  });

  test("events of an account that was deleted are dropped and hold nobody else's up", async () => {
    const [gone, staying] = [await createAccount(database.db), await createAccount(database.db)];
    const event = (account: TestAccount): UsageEvent => ({
      connection: recordOf(account),
      connectionStored: false,
      seq: 1,
      sentBytes: 5n,
      receivedBytes: 0n,
      requests: 1n,
      at: AT,
    });
    const orphan = event(gone);
    await database.db.deleteFrom("user").where("id", "=", gone.userId).execute();
    const balances = await foldUsage(database.db, GATEWAY, [orphan, event(staying)]);
    expect(balances.map(({ userId }) => userId)).toEqual([staying.userId]);
    expect((await storedTotals(staying)).used).toBe(5n);
  });
});
