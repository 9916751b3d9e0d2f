import { once } from "node:events";
import { createServer } from "node:http";
import { webshare } from "@atlantic/shared/exits/adapters/webshare.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import { createAccount } from "../../gateway/testing/gateway-fixture.ts";
import { createLog } from "../../log.ts";
import { AuditLog } from "../../services/audit-log.ts";
import { renewAllowances } from "../../worker/jobs.ts";
import { closeLost } from "../close-lost.ts";
import { foldUsage } from "../fold-usage.ts";
import { nextEvent, onlyEvent, someConnections } from "../testing/usage-load.ts";
import type { UsageEvent } from "../usage-event.ts";
import { type ProviderUsageSource, providerUsage } from "./provider-usage.ts";
import { EVENTS_KEPT_MS, pruneEvents } from "./prune-events.ts";
import { lastReconciliation, reconcile } from "./reconcile.ts";

const GATEWAY = "7d3c0a3e-0000-4000-8000-000000000001";
const NOW = Date.UTC(2026, 10, 23, 2, 17);
const HOUR_MS = 3_600_000;
const log = createLog("silent");

describe.each(databaseKinds)("reconciliation on %s", (kind) => {
  let database: OpenDatabase;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  /** Traffic of every kind over some hours: short, long, lost, not charged, over TLS, with a new month in between. */
  async function carry(hours: number, end: number) {
    const { db } = database;
    const account = await createAccount(db);
    const long = someConnections(3, [account], end - hours * HOUR_MS);
    for (let hour = hours; hour > 0; hour--) {
      const at = end - hour * HOUR_MS + 5_000;
      const seq = hours - hour + 1;
      const events = long.map((one): UsageEvent => {
        const event = nextEvent(one, seq, at);
        const extra = { unchargedSentBytes: seq, unchargedReceivedBytes: 2 * seq, tlsBytes: 3 * seq };
        return { ...event, totals: { ...event.totals, ...extra } };
      });
      const short = someConnections(5, [account], at).map((one) => onlyEvent(one, at));
      const twice = someConnections(2, [account], at).flatMap((one) => [
        nextEvent(one, 1, at),
        { ...onlyEvent(one, at), seq: 2 },
      ]);
      await foldUsage(db, GATEWAY, [...events, ...short, ...twice]);
      if (hour === 2) {
        await db
          .updateTable("traffic_balances")
          .set({ resets_at: new Date(at) })
          .where("user_id", "=", account.userId)
          .execute();
        await renewAllowances(db, new Date(at + 1));
      }
    }
    await closeLost(db, { kind: "of", gatewayId: GATEWAY });
    return account;
  }

  const compare = (providers: ProviderUsageSource[] = []) =>
    reconcile(database.db, new Date(NOW), { log, providers });
  const books = async () => (await compare()).differences.map(({ book }) => book);

  test("finds no difference in what was folded, over a new month, and says how much it verified", async () => {
    await carry(6, NOW);
    const outcome = await compare();
    expect(outcome.differences).toEqual([]);
    expect(outcome.receipts).toBe(45);
    expect(await lastReconciliation(database.db)).toEqual({ at: new Date(NOW), differences: 0, bytes: 0n });
  });

  test("is not broken by events that are not kept any more", async () => {
    await carry(4, NOW);
    expect(await books()).toEqual([]);
    const closedAt = NOW + EVENTS_KEPT_MS - 3 * HOUR_MS;
    expect(await pruneEvents(database.db, new Date(closedAt))).toBeGreaterThanOrEqual(4);
    expect(await books()).toEqual([]);
    expect(await pruneEvents(database.db, new Date(closedAt))).toBe(0);
    const { left } = await database.db
      .selectFrom("usage_events")
      .select(({ fn }) => fn.countAll<bigint>().as("left"))
      .executeTakeFirstOrThrow();
    expect(left).toBeGreaterThan(0n);
  });

  test.each([
    [
      "an hour",
      "events and hours",
      (user: string) => sql`update proxy_usage set tls_bytes = tls_bytes + 1 where user_id = ${user}`,
    ],
    [
      "an event",
      "events and hours",
      (user: string) =>
        sql`delete from usage_events where seq = 2 and connection_id in (select id from proxy_connections where user_id = ${user})`,
    ],
    [
      "a connection that was one event",
      "events and hours",
      (user: string) =>
        sql`update proxy_connections set sent_bytes = sent_bytes + 9 where user_id = ${user} and last_seq = 0`,
    ],
    [
      "a connection",
      "events and connections",
      (user: string) => sql`update proxy_connections set sent_bytes = sent_bytes + 9 where user_id = ${user}`,
    ],
    [
      "a balance",
      "hours and balance",
      (user: string) =>
        sql`update traffic_balances set charged_bytes = charged_bytes + 9 where user_id = ${user}`,
    ],
    [
      "a receipt",
      "receipts and connections",
      (user: string) =>
        sql`update proxy_connections set outcome = 'ended' where user_id = ${user} and outcome = 'gateway_lost'`,
    ],
    [
      "a chain",
      "receipts and chain",
      (user: string) =>
        sql`update receipt_chains set last_number = last_number + 1 from proxy_credentials k where k.id = credential_id and k.user_id = ${user}`,
    ],
  ] as const)("finds %s that was changed, and raises an alarm", async (_, book, change) => {
    const { db } = database;
    const { userId } = await carry(3, NOW);
    await change(userId).execute(db);
    const found = await books();
    const alarms = await db
      .selectFrom("audit_log")
      .selectAll()
      .where("action", "=", "usage.not_reconciled")
      .execute();
    await db.deleteFrom("user").where("id", "=", userId).execute();
    expect(found).toContain(book);
    expect(alarms.length).toBeGreaterThan(0);
    expect(await new AuditLog().firstBroken(db)).toBeNull();
    expect(await books()).toEqual([]);
  });

  test("compares a provider's own figures over HTTP, with a tolerance, and says when it cannot ask", async () => {
    const { userId, username } = await createAccount(database.db);
    const day = Math.floor(NOW / (24 * HOUR_MS)) * 24 * HOUR_MS - 24 * HOUR_MS;
    const [one] = someConnections(1, [{ userId, username }], day + HOUR_MS);
    if (!one) throw new Error("no connection");
    const event = onlyEvent({ ...one, upstream: "webshare" }, day + HOUR_MS);
    const totals = { ...event.totals, receivedBytes: 100_000_000, unchargedReceivedBytes: 300 };
    await foldUsage(database.db, GATEWAY, [{ ...event, totals }]);
    let counted = 100_001_000;
    const asked: string[] = [];
    const provider = createServer((request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ bandwidth_total: counted }));
    }).listen(0, "127.0.0.1");
    await once(provider, "listening");
    const address = provider.address();
    const port = typeof address === "object" ? address?.port : 0;
    const query = webshare.usage?.query;
    if (!query) throw new Error("Webshare is to have figures.");
    const source = providerUsage("webshare", query, "the-key", (url, request) => {
      const { pathname, search } = new URL(String(url));
      return fetch(`http://127.0.0.1:${port}${pathname}${search}`, request);
    });
    const good = await compare([source]);
    expect(good.differences).toEqual([]);
    expect(good.providers).toMatchObject([{ ours: "100001000", theirs: "100001000", problem: null }]);
    expect(asked[0]).toContain("the-key");
    counted = 200_000_000;
    expect((await compare([source])).differences).toMatchObject([{ book: "provider", subject: "webshare" }]);
    provider.close();
    provider.closeAllConnections();
    const silent = await compare([source]);
    expect(silent.differences).toEqual([]);
    expect(silent.providers).toMatchObject([{ theirs: null, problem: expect.stringContaining("rror") }]);
    expect(JSON.stringify(silent.providers)).not.toContain("the-key");
  });
});
