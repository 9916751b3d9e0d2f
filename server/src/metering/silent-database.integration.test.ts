import { once } from "node:events";
import { createServer } from "node:net";
import { migrateToLatest } from "@atlantic/migrations/migrate.ts";
import { dialThroughConnect } from "@atlantic/native";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OpenDatabase, openDatabase } from "../db/open.ts";
import { type DatabaseLine, openDatabaseLine } from "../db/testing/database-line.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "../db/testing/temporary-postgres.ts";
import { createAccount } from "../gateway/testing/gateway-fixture.ts";
import { startLimitedGateway } from "../gateway/testing/limited-gateway.ts";

const SILENT_MS = 500;

describe("a database that goes away without a word", () => {
  let postgres: TemporaryPostgres;
  let direct: OpenDatabase;
  let line: DatabaseLine;
  let database: OpenDatabase;

  beforeAll(async () => {
    postgres = await startTemporaryPostgres();
    const url = await postgres.createDatabase();
    direct = await openDatabase({ kind: "postgres", url });
    await migrateToLatest(direct.db);
    line = await openDatabaseLine(url);
    database = await openDatabase({ kind: "postgres", url: line.url, silentMs: SILENT_MS });
  });
  afterAll(async () => {
    await database.close();
    line.close();
    await direct.close();
    await postgres.stop();
  });

  test("is told from one that works for long", async () => {
    const { rows } = await sql`select 1 as one from pg_sleep(${(3 * SILENT_MS) / 1_000})`.execute(
      database.db,
    );
    expect(rows).toEqual([{ one: 1 }]);
  });

  test("takes no usage with it: what was written unheard is not written again, what came since is", async () => {
    const { gateway, close } = await startLimitedGateway(database);
    const site = createServer((socket) => socket.on("error", () => {}).pipe(socket));
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    const address = site.address();
    const account = await createAccount(direct.db);
    const tunnel = async () => {
      const { socket } = await dialThroughConnect({
        proxy: { host: "127.0.0.1", port: gateway.port, ...account },
        target: { host: "127.0.0.1", port: typeof address === "object" && address ? address.port : 0 },
        timeoutMs: 15_000,
      });
      return socket;
    };
    const usedBytes = async () => {
      const { used_bytes } = await direct.db
        .selectFrom("traffic_balances")
        .select("used_bytes")
        .where("user_id", "=", account.userId)
        .executeTakeFirstOrThrow();
      return Number(used_bytes);
    };

    const socket = await tunnel();
    socket.resume();
    socket.write(Buffer.alloc(10_000));
    await expect.poll(usedBytes).toBe(20_000);
    const silent = line.goSilent("commit");
    socket.write(Buffer.alloc(10_000));
    await silent;
    // What the database took without being able to say so.
    await expect.poll(usedBytes).toBeGreaterThan(20_000);
    socket.write(Buffer.alloc(20_000));
    await expect.poll(() => gateway.health().problem, { timeout: 15_000 }).toContain("cannot be written");
    await expect(tunnel()).rejects.toMatchObject({ code: expect.any(String) });

    line.mend();
    await expect.poll(() => gateway.health().problem, { timeout: 15_000 }).toBeNull();
    (await tunnel()).destroy();
    await expect.poll(() => socket.bytesRead).toBeGreaterThanOrEqual(40_000);
    socket.end();
    await once(socket, "close");
    await expect.poll(() => gateway.countOpen()).toBe(0);
    await close();
    expect(await usedBytes()).toBe(80_000);
    site.close();
  });

  test("is noticed by who listens, who then hears what is told again", async () => {
    const heard: string[] = [];
    const gap = Promise.withResolvers<void>();
    const stop = await database.listen("told", {
      message: (payload) => heard.push(payload),
      gap: gap.resolve,
    });
    await line.goSilent();
    line.mend();
    await gap.promise;
    await sql`select pg_notify('told', 'again')`.execute(direct.db);
    await expect.poll(() => heard).toEqual(["again"]);
    await stop();
  });
});
