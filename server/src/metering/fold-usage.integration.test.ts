import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount, type TestAccount } from "../gateway/testing/gateway-fixture.ts";
import { closeLost } from "./close-lost.ts";
import { foldUsage } from "./fold-usage.ts";
import type { UsageEvent } from "./usage-event.ts";
import { type ConnectionRecord, type ConnectionTotals, NO_TOTALS } from "./usage-recorder.ts";
import { latestEvent, latestTotals } from "./write-batch.ts";

const GATEWAY = "7d3c0a3e-0000-4000-8000-000000000001";
const AT = Date.UTC(2026, 10, 23, 12, 30);
interface Connection {
  readonly id: string;
  readonly outcome: string | null;
  readonly last_seq: number;
  readonly events: bigint;
  readonly receipt_number: bigint | null;
  readonly sent_bytes: bigint;
  readonly received_bytes: bigint;
  readonly tls_bytes: bigint;
}

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
    const { rows: connections } = await sql<Connection>`
      select c.id, c.outcome, coalesce(e.seq, c.last_seq) as last_seq, c.receipt_number, ${latestTotals},
        (select count(*) from usage_events where connection_id = c.id) as events
      from proxy_connections c left join lateral (${latestEvent}) e on c.closed_at is null
      where c.user_id = ${userId}
    `.execute(db);
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
      unchargedSent: sum((row) => row.uncharged_sent_bytes),
      unchargedReceived: sum((row) => row.uncharged_received_bytes),
      tls: sum((row) => row.tls_bytes),
    };
  }

  const bytes = fc.integer({ min: 0, max: 1_000_000_000_000 });

  /** What happens to a connection: steps that only rise, which of them arrive, and how often. */
  const history = fc.record({
    steps: fc.array(
      fc.record({
        sent: bytes,
        received: bytes,
        unchargedSent: bytes,
        unchargedReceived: bytes,
        tls: bytes,
        requests: fc.nat(3),
        minutes: fc.integer({ min: 0, max: 50 }),
        copies: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    ends: fc.constantFrom("open", "well", "badly"),
  });

  function eventsOf(record: ConnectionRecord, { steps, ends }: { steps: readonly Step[]; ends: string }) {
    let totals: Required<ConnectionTotals> = NO_TOTALS;
    let at = AT;
    return steps.map((step, index) => {
      totals = {
        sentBytes: totals.sentBytes + step.sent,
        receivedBytes: totals.receivedBytes + step.received,
        requests: totals.requests + step.requests,
        unchargedSentBytes: totals.unchargedSentBytes + step.unchargedSent,
        unchargedReceivedBytes: totals.unchargedReceivedBytes + step.unchargedReceived,
        tlsBytes: totals.tlsBytes + step.tls,
      };
      at += step.minutes * 60_000;
      const last = index === steps.length - 1 && ends !== "open";
      const event: UsageEvent = {
        connection: record,
        connectionStored: false,
        seq: index + 1,
        totals,
        at,
        ...(last && { end: { outcome: ends === "well" ? "ended" : "dns_error", failed: ends === "badly" } }),
      };
      return { event, copies: step.copies };
    });
  }
  type Step = {
    sent: number;
    received: number;
    unchargedSent: number;
    unchargedReceived: number;
    tls: number;
    requests: number;
    minutes: number;
    copies: number;
  };

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
          const sum = (pick: (totals: ConnectionTotals) => number | undefined) =>
            last.reduce((total, event) => total + BigInt(pick(event.totals) ?? 0), 0n);
          const stored = await storedTotals(account);
          expect(stored.sent).toBe(sum(({ sentBytes }) => sentBytes));
          expect(stored.received).toBe(sum(({ receivedBytes }) => receivedBytes));
          expect(stored.requests).toBe(sum(({ requests }) => requests));
          expect(stored.unchargedSent).toBe(sum(({ unchargedSentBytes }) => unchargedSentBytes));
          expect(stored.unchargedReceived).toBe(sum(({ unchargedReceivedBytes }) => unchargedReceivedBytes));
          expect(stored.tls).toBe(sum(({ tlsBytes }) => tlsBytes));
          expect(stored.used).toBe(stored.sent + stored.received);
          expect(stored.failed).toBe(BigInt(last.filter(({ end }) => end?.failed).length));
          expect(stored.connections.length).toBe(last.length);
          for (const event of last) {
            const row = stored.connections.find(({ id }) => id === event.connection.id);
            expect(row?.sent_bytes).toBe(BigInt(event.totals.sentBytes));
            expect(row?.received_bytes).toBe(BigInt(event.totals.receivedBytes));
            expect(row?.tls_bytes).toBe(BigInt(event.totals.tlsBytes ?? 0));
            // A connection that came as one event has no other record than its row.
            expect(row?.last_seq).toBe(row?.events === 0n ? 0 : event.seq);
            expect(row?.outcome ?? undefined).toBe(event.end?.outcome);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  /** What befalls a write: it happens and is known, it happens and the answer is lost, it does not happen. */
  const fate = fc.constantFrom("stored", "stored, answer lost", "not stored", "stored, and again later");

  test("a gateway that builds on what it knows counts every byte once, whatever befalls its writes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ fate, sent: bytes, received: bytes }), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat(7), { nil: undefined }),
        async (writes, lostAfter) => {
          const account = await createAccount(database.db);
          const gatewayId = randomUUID();
          const connection = recordOf(account);
          let totals = { sentBytes: 0, receivedBytes: 0, requests: 1 };
          const idle = recordOf(account);
          const first: UsageEvent = {
            connection: idle,
            connectionStored: false,
            seq: 1,
            totals: NO_TOTALS,
            at: AT,
          };
          const { epoch: idleEpoch } = await foldUsage(database.db, gatewayId, [first]);
          let known: { totals: ConnectionTotals; seq: number; epoch: bigint } | undefined;
          let stored: ConnectionTotals = { ...totals, requests: 0 };
          let isStored = false;
          let isLost = false;
          let wasClosed = false;
          const again: UsageEvent[] = [];
          for (const [index, write] of writes.entries()) {
            totals = {
              sentBytes: totals.sentBytes + write.sent,
              receivedBytes: totals.receivedBytes + write.received,
              requests: 1,
            };
            const seq = index + 1;
            const event: UsageEvent = {
              connection,
              connectionStored: known !== undefined,
              ...(known?.seq === seq - 1 && { base: known }),
              seq,
              totals,
              at: AT + index,
            };
            if (write.fate === "not stored") continue;
            const outcome = await foldUsage(database.db, gatewayId, [event]);
            // The gateway learns that its connection was closed, and lets it go.
            expect(outcome.closedElsewhere).toEqual(wasClosed ? [connection.id] : []);
            if (wasClosed) break;
            stored = totals;
            isStored = true;
            if (write.fate === "stored, and again later") again.push(event);
            if (write.fate !== "stored, answer lost") known = { totals, seq, epoch: outcome.epoch };
            if (index !== lostAfter) continue;
            isLost = (await closeLost(database.db, { kind: "of", gatewayId })) > 0;
            wasClosed = isStored;
          }
          for (const event of again) await foldUsage(database.db, gatewayId, [event]);
          const late: UsageEvent = {
            ...first,
            connectionStored: true,
            seq: 2,
            base: { totals: NO_TOTALS, epoch: idleEpoch },
          };
          const { closedElsewhere } = await foldUsage(database.db, gatewayId, [late]);
          expect(closedElsewhere).toEqual(isLost ? [idle.id] : []);
          const { sent, received, used, requests } = await storedTotals(account);
          expect({ sent, received, requests }).toEqual({
            sent: BigInt(stored.sentBytes),
            received: BigInt(stored.receivedBytes),
            requests: BigInt(stored.requests),
          });
          expect(used).toBe(sent + received);
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
        totals: { sentBytes: index, receivedBytes: 1, requests: 1 },
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
    const event = (seq: number, sentBytes: number, at: number): UsageEvent => ({
      connection,
      connectionStored: seq > 1,
      seq,
      totals: { sentBytes, receivedBytes: 0, requests: 1 },
      at,
    });
    await foldUsage(database.db, GATEWAY, [event(1, 10, AT)]);
    await foldUsage(database.db, GATEWAY, [event(2, 25, AT + 3_600_000)]);
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
      totals: { sentBytes: 5, receivedBytes: 0, requests: 1 },
      at: AT,
    });
    const orphan = event(gone);
    await database.db.deleteFrom("user").where("id", "=", gone.userId).execute();
    const { balances } = await foldUsage(database.db, GATEWAY, [orphan, event(staying)]);
    expect(balances.map(({ userId }) => userId)).toEqual([staying.userId]);
    expect((await storedTotals(staying)).used).toBe(5n);
  });
});
