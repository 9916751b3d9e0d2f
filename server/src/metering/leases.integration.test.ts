import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { dialThroughConnect } from "@atlantic/native";
import { sql } from "kysely";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import { noFlowLimits } from "../gateway/flow-limits.ts";
import { startGateway } from "../gateway/gateway.ts";
import type { Gateway } from "../gateway/options.ts";
import { StoredCredentials } from "../gateway/stored-credentials.ts";
import { createAccount, HMAC_KEY, type TestAccount } from "../gateway/testing/gateway-fixture.ts";
import { localUpstream } from "../gateway/upstreams/local-upstream.ts";
import { LeasedAllowances } from "./leased-allowances.ts";
import { HELD_MOST_BYTES, LEASE_LEAST_BYTES, type LeaseStore } from "./leases.ts";
import { openStoredLeases } from "./stored-leases.ts";
import { StoredUsage } from "./stored-usage.ts";

const MIB = 1_048_576;
const logger = pino({ level: "silent" });

describe.each(databaseKinds)("leases on %s", (kind) => {
  let database: OpenDatabase;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
  });
  afterAll(() => database.close());

  async function balance(userId: string) {
    const row = await database.db
      .selectFrom("traffic_balances")
      .selectAll()
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    return {
      allowance: Number(row.allowance_bytes),
      used: Number(row.used_bytes),
      reserved: Number(row.reserved_bytes),
      overrun: Number(row.overrun_bytes),
    };
  }

  test("many gateways at once never put more aside than there is, and put all of it back", async () => {
    const { userId } = await createAccount(database.db, BigInt(10 * MIB + 7));
    const stores = await Promise.all(
      Array.from({ length: 8 }, () => openStoredLeases(database.db, randomUUID())),
    );
    const leases = await Promise.all(
      stores.flatMap((store) => Array.from({ length: 12 }, () => store.take({ userId, bytes: MIB }))),
    );
    const granted = leases.reduce((sum, { grantedBytes }) => sum + grantedBytes, 0);
    expect(granted).toBe(10 * MIB + 7);
    expect(await balance(userId)).toMatchObject({ used: 0, reserved: granted, overrun: 0 });
    await Promise.all(stores.map((store) => store.close()));
    expect(await balance(userId)).toMatchObject({ used: 0, reserved: 0, overrun: 0 });
  });

  test("the database itself refuses to reserve what is not there, and no fact", async () => {
    const { userId } = await createAccount(database.db, 100n);
    const change = (set: string) =>
      sql`update traffic_balances set ${sql.raw(set)} where user_id = ${userId}`.execute(database.db);
    await expect(change("reserved_bytes = 101")).rejects.toThrow(/reserve_what_is_there/);
    await change("reserved_bytes = 60");
    await expect(change("used_bytes = 50, reserved_bytes = 61")).rejects.toThrow(/reserve_what_is_there/);
    await change("allowance_bytes = 40");
    expect(await balance(userId)).toMatchObject({ reserved: 60, overrun: 20 });
    await change("used_bytes = 60, reserved_bytes = 0");
    expect(await balance(userId)).toMatchObject({ used: 60, overrun: 20 });
    await change("allowance_bytes = 1000");
    expect(await balance(userId)).toMatchObject({ overrun: 0 });
  });

  test("one gateway never holds more than the bound, and says that there is more", async () => {
    const { userId } = await createAccount(database.db, BigInt(10 * HELD_MOST_BYTES));
    const store = await openStoredLeases(database.db, randomUUID());
    let held = 0;
    for (let lease = await store.take({ userId, bytes: 8 * MIB }); lease.grantedBytes > 0; ) {
      held = lease.heldBytes;
      lease = await store.take({ userId, bytes: 8 * MIB });
      expect(lease.moreToCome).toBe(true);
    }
    expect(held).toBe(HELD_MOST_BYTES);
    await store.close();
  });

  test("what a dead gateway held goes to whoever asks next, and it is told that it was thought dead", async () => {
    const { userId } = await createAccount(database.db, BigInt(MIB));
    const deadId = randomUUID();
    const dead = await openStoredLeases(database.db, deadId);
    const living = await openStoredLeases(database.db, randomUUID());
    expect((await dead.take({ userId, bytes: MIB })).grantedBytes).toBe(MIB);
    expect((await living.take({ userId, bytes: MIB })).grantedBytes).toBe(0);
    await sql`update lease_holders set expires_at = clock_timestamp() - interval '1 s' where gateway_id = ${deadId}`.execute(
      database.db,
    );
    expect((await dead.take({ userId, bytes: 1 })).grantedBytes).toBe(0);
    expect((await living.take({ userId, bytes: MIB })).grantedBytes).toBe(MIB);
    expect(await dead.renew()).toBe("lost");
    expect(await dead.renew()).toBe("held");
    await Promise.all([dead.close(), living.close()]);
    expect(await balance(userId)).toMatchObject({ reserved: 0, overrun: 0 });
  });

  describe("through a gateway", () => {
    let gateway: Gateway;
    let usage: StoredUsage;
    let leased: LeasedAllowances;
    let store: LeaseStore;
    let site: Server;
    let port: number;
    let delivered: number;

    beforeEach(async () => {
      delivered = 0;
      site = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => {
          const chunk = Buffer.alloc(65_536);
          const more = () => {
            while (socket.writable && socket.write(chunk));
          };
          socket.on("drain", more);
          more();
        });
      });
      site.listen(0, "127.0.0.1");
      await once(site, "listening");
      const address = site.address();
      port = typeof address === "object" && address ? address.port : 0;
      const gatewayId = randomUUID();
      usage = new StoredUsage({ db: database.db, gatewayId, logger, flushMs: 50 });
      store = await openStoredLeases(database.db, gatewayId);
      leased = new LeasedAllowances({
        store,
        logger,
        flush: () => usage.flush(),
        flushAndTake: (wish) => usage.flushAndTake(wish),
        countOpen: (userId) => gateway.countOpen(userId),
      });
      gateway = await startGateway({
        host: "127.0.0.1",
        port: 0,
        credentials: new StoredCredentials({ db: database.db, key: HMAC_KEY }),
        usage,
        upstreams: [localUpstream("local")],
        targets: { allow: ["127.0.0.0/8"] },
        logger,
        flowLimits: {
          admit: async ({ credential }) => ({
            ...noFlowLimits,
            allowance: await leased.of(credential.userId),
          }),
          checkTarget: () => {},
        },
      });
    });
    afterEach(async () => {
      await gateway.close();
      await usage.close();
      await leased.close();
      site.close();
    });

    /** Pulls until the gateway ends it. @returns how many bytes came */
    async function pull({ username, password }: TestAccount): Promise<number> {
      const { socket } = await dialThroughConnect({
        proxy: { host: "127.0.0.1", port: gateway.port, username, password },
        target: { host: "127.0.0.1", port },
        timeoutMs: 10_000,
      });
      let came = 0;
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        came += chunk.length;
        delivered += chunk.length;
      });
      socket.resume();
      socket.write("go");
      await new Promise((resolve) => socket.once("close", resolve));
      return came;
    }

    test("an account gets its balance to the last byte and not one more, and a top-up works at once", async () => {
      const allowance = 3 * MIB + 12_345;
      const account = await createAccount(database.db, BigInt(allowance));
      await Promise.all(Array.from({ length: 10 }, () => pull(account).catch(() => 0)));
      await usage.flush();
      expect(await balance(account.userId)).toMatchObject({ used: allowance, overrun: 0 });
      expect(delivered).toBeLessThanOrEqual(allowance);
      await expect(pull(account)).rejects.toMatchObject({ code: "quota_exhausted" });
      await database.db
        .updateTable("traffic_balances")
        .set({ allowance_bytes: BigInt(allowance + MIB) })
        .where("user_id", "=", account.userId)
        .execute();
      await pull(account);
      await usage.flush();
      expect(await balance(account.userId)).toMatchObject({ used: allowance + MIB, overrun: 0 });
    });

    test("what an account does not use goes back, with its tunnel still open", async () => {
      const account = await createAccount(database.db, BigInt(100 * LEASE_LEAST_BYTES));
      const { username, password, userId } = account;
      const { socket } = await dialThroughConnect({
        proxy: { host: "127.0.0.1", port: gateway.port, username, password },
        target: { host: "127.0.0.1", port },
        timeoutMs: 10_000,
      });
      socket.on("error", () => {});
      expect((await balance(userId)).reserved).toBe(LEASE_LEAST_BYTES);
      for (let second = 0; second < 4; second++) leased.sweep();
      await expect.poll(async () => (await balance(userId)).reserved).toBe(0);
      socket.resume();
      socket.write("go");
      await once(socket, "data");
      socket.destroy();
      await expect.poll(() => gateway.countOpen(userId)).toBe(0);
      await expect
        .poll(async () => {
          leased.sweep();
          return (await balance(userId)).reserved;
        })
        .toBe(0);
      expect((await balance(userId)).used).toBeGreaterThan(0);
    });
  });
});
