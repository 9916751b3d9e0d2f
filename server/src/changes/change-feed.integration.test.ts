import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { createAccount } from "../gateway/testing/gateway-fixture.ts";
import type { Change } from "./change.ts";
import { type ChangeFeed, openChangeFeed } from "./change-feed.ts";

const logger = pino({ level: "silent" });

describe.each(databaseKinds)("changes on %s", (kind) => {
  let database: OpenDatabase;
  let feed: ChangeFeed;
  const heard: Change[] = [];
  let gaps = 0;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    feed = await openChangeFeed({ database, logger, pollMs: 50 });
    feed.onChange((change) => heard.push(change));
    feed.onGap(() => {
      gaps += 1;
    });
  });
  afterAll(async () => {
    await feed.close();
    await database.close();
  });

  test("of settings are told by the tables themselves, once they are committed", async () => {
    const { userId, username } = await createAccount(database.db);
    const tellingOf = async (change: Promise<unknown>, credentialId: string | null) => {
      heard.length = 0;
      await change;
      await expect
        .poll(() => heard)
        .toContainEqual(expect.objectContaining({ kind: "settings", userId, credentialId }));
    };
    const { db } = database;
    await tellingOf(
      db.insertInto("throttling_settings").values({ user_id: userId, requests_per_second: 5 }).execute(),
      null,
    );
    await tellingOf(
      db.insertInto("target_rules").values({ user_id: userId, credential_id: username }).execute(),
      username,
    );
    await tellingOf(
      db.insertInto("custom_headers").values({ user_id: userId, name: "x-a", value: "b" }).execute(),
      null,
    );
    await tellingOf(db.updateTable("throttling_settings").set({ requests_per_second: 6 }).execute(), null);
    await tellingOf(db.deleteFrom("target_rules").execute(), username);
    await tellingOf(
      db
        .updateTable("proxy_credentials")
        .set({ revoked_at: new Date() })
        .where("id", "=", username)
        .execute(),
      username,
    );
  });

  test("of no consequence to a gateway are not told", async () => {
    const { userId, username } = await createAccount(database.db);
    heard.length = 0;
    await database.db
      .updateTable("proxy_credentials")
      .set({ last_used_at: new Date() })
      .where("id", "=", username)
      .execute();
    await database.db.insertInto("session_settings").values({ user_id: userId, enabled: true }).execute();
    await expect.poll(() => heard.length).toBe(1);
  });

  test("that were taken back are not told", async () => {
    const { userId } = await createAccount(database.db);
    heard.length = 0;
    await database.db
      .transaction()
      .execute(async (transaction) => {
        await transaction.insertInto("session_settings").values({ user_id: userId, enabled: true }).execute();
        throw new Error("taken back");
      })
      .catch(() => {});
    await feed.tellDisconnect("mark");
    await expect.poll(() => heard).toEqual([{ kind: "disconnect", connectionId: "mark" }]);
  });

  test("that nobody was told of are noticed by their count", async () => {
    const before = gaps;
    await sql`update settings_epoch set value = value + 1`.execute(database.db);
    await expect.poll(() => gaps).toBeGreaterThan(before);
  });

  test("of usage are told together", async () => {
    heard.length = 0;
    const [one, other] = [randomUUID(), randomUUID()];
    for (let times = 0; times < 50; times++) {
      feed.tellUsage(one);
      feed.tellUsage(other);
    }
    await expect.poll(() => heard).toEqual([{ kind: "usage", userIds: [one, other] }]);
  });

  if (kind === "postgres") {
    test("go on after the connection broke, and what may have been missed is said", async () => {
      const before = gaps;
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and pid <> pg_backend_pid()
      `.execute(database.db);
      await expect.poll(() => gaps, { timeout: 5_000 }).toBeGreaterThan(before);
      heard.length = 0;
      await feed.tellDisconnect("after");
      await expect.poll(() => heard).toEqual([{ kind: "disconnect", connectionId: "after" }]);
    });
  }
});
