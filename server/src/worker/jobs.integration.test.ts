import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createLog } from "../log.ts";
import type { Job } from "./job.ts";
import {
  closeLostConnections,
  jobs,
  pruneConnectionLogs,
  pruneExitSessions,
  purgeExpiredTokens,
  renewAllowances,
} from "./jobs.ts";
import { startWorker } from "./worker.ts";

const NOW = new Date("2026-11-23T12:00:00Z");
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);

describe.each(databaseKinds)("the worker on %s", (kind) => {
  let database: OpenDatabase;
  let userId: string;
  let credentialId: string;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  beforeEach(async () => {
    userId = randomUUID();
    credentialId = `atl_${randomUUID().slice(0, 8)}`;
    const { db } = database;
    await db
      .insertInto("user")
      .values({ id: userId, name: "Ada", email: `${userId}@example.test` })
      .execute();
    await db
      .insertInto("proxy_credentials")
      .values({
        id: credentialId,
        user_id: userId,
        username: credentialId,
        password_hmac: Buffer.alloc(32),
        label: "laptop",
      })
      .execute();
  });

  test("forgets sticky sessions a month after their end, and none before", async () => {
    const { db } = database;
    const day = 24 * 60;
    const ended = [31 * day, 29 * day, -1];
    await db
      .insertInto("exit_sessions")
      .values(ended.map((minutes) => ({ name: String(minutes), number: 0, expires_at: minutesAgo(minutes) })))
      .execute();
    expect(await pruneExitSessions(db, NOW)).toBe(1);
    const left = await db.selectFrom("exit_sessions").select("name").orderBy("name").execute();
    expect(left.map(({ name }) => name)).toEqual(["-1", String(29 * day)]);
  });

  test("closes what a crashed gateway left open, at its last usage event, and nothing of a living one", async () => {
    const { db } = database;
    const [living, crashed, gone] = [randomUUID(), randomUUID(), randomUUID()];
    await db
      .insertInto("gateways")
      .values([
        { id: living, seen_at: minutesAgo(0) },
        { id: crashed, seen_at: minutesAgo(5) },
      ])
      .execute();
    const open = await insertConnection(living);
    const silent = await insertConnection(gone);
    const counted = await insertConnection(crashed);
    await db
      .insertInto("usage_events")
      .values({
        connection_id: counted,
        seq: 1,
        sent_bytes_total: 1n,
        received_bytes_total: 1n,
        requests_total: 1n,
        at: minutesAgo(6),
      })
      .execute();
    await closeLostConnections(db, NOW);
    expect(await ending(open)).toEqual({ outcome: null, closed_at: null });
    expect(await ending(silent)).toEqual({ outcome: "gateway_lost", closed_at: minutesAgo(10) });
    expect(await ending(counted)).toEqual({ outcome: "gateway_lost", closed_at: minutesAgo(6) });
    expect(await closeLostConnections(db, NOW)).toBe(0);
  });

  test("renews an allowance once its month is over, until the first of the next", async () => {
    const { db } = database;
    await db
      .insertInto("traffic_balances")
      .values({ user_id: userId, allowance_bytes: 100n, used_bytes: 70n, resets_at: minutesAgo(-1) })
      .execute();
    expect(await renewAllowances(db, NOW)).toBe(0);
    expect(await renewAllowances(db, new Date("2026-12-01T00:00:00Z"))).toBe(1);
    const balance = await db
      .selectFrom("traffic_balances")
      .select(["used_bytes", "resets_at", "allowance_bytes"])
      .where("user_id", "=", userId)
      .executeTakeFirst();
    expect(balance).toEqual({
      allowance_bytes: 100n,
      used_bytes: 0n,
      resets_at: new Date("2027-01-01T00:00:00Z"),
    });
  });

  test("removes sessions and tokens that have expired, and no other", async () => {
    const { db } = database;
    const session = (id: string, expiresAt: Date) => ({ id, token: id, userId, expiresAt });
    await db
      .insertInto("session")
      .values([session("old", minutesAgo(1)), session("new", minutesAgo(-1))])
      .execute();
    await db
      .insertInto("verification")
      .values({ id: "link", identifier: "hash", value: userId, expiresAt: minutesAgo(1) })
      .execute();
    expect(await purgeExpiredTokens(db, NOW)).toBe(2);
    expect(await db.selectFrom("session").select("id").where("userId", "=", userId).execute()).toEqual([
      { id: "new" },
    ]);
  });

  test("removes logs of connections that are older than thirty days", async () => {
    const { db } = database;
    const line = (event: string, at: Date) => ({ user_id: userId, at, level: "info" as const, event });
    await db
      .insertInto("connection_logs")
      .values([line("old", minutesAgo(31 * 24 * 60)), line("new", minutesAgo(29 * 24 * 60))])
      .execute();
    expect(await pruneConnectionLogs(db, NOW)).toBe(1);
  });

  test("does its jobs when it starts, and a job that fails does not stop the others", async () => {
    const done = Promise.withResolvers<void>();
    const broken: Job = {
      name: "broken",
      cron: "0 0 1 1 *",
      atStart: true,
      run: async () => {
        throw new Error("broken for the test");
      },
    };
    const whole: Job = {
      name: "whole",
      cron: "0 0 1 1 *",
      atStart: true,
      run: async () => {
        done.resolve();
        return 0;
      },
    };
    const worker = startWorker({ database, jobs: [broken, whole], log: createLog("silent") });
    await done.promise;
    await worker.ready;
    expect(worker.health().state).toBe("up");
    await worker.close();
  });

  test("starts a second time on the same database with the product's own jobs", async () => {
    for (let start = 0; start < 2; start++) {
      const worker = startWorker({ database, jobs, log: createLog("silent") });
      await worker.ready;
      expect(worker.health()).toEqual({ state: "up", detail: `${jobs.length} jobs` });
      await worker.close();
    }
  });

  async function insertConnection(gatewayId: string): Promise<string> {
    const id = randomUUID();
    await database.db
      .insertInto("proxy_connections")
      .values({
        id,
        user_id: userId,
        credential_id: credentialId,
        gateway_id: gatewayId,
        client: "127.0.0.1",
        protocol: "connect",
        target_host: "example.test",
        target_port: 443,
        opened_at: minutesAgo(10),
      })
      .execute();
    return id;
  }

  async function ending(id: string) {
    return database.db
      .selectFrom("proxy_connections")
      .select(["outcome", "closed_at"])
      .where("id", "=", id)
      .executeTakeFirst();
  }
});
