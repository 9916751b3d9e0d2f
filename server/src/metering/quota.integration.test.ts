import { once } from "node:events";
import { dialThroughConnect } from "@atlantic/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databaseKinds } from "../db/testing/temporary-database.ts";
import { type CountingOrigin, startCountingOrigin } from "../gateway/testing/counting-origin.ts";
import {
  createAccount,
  type GatewayFixture,
  startGatewayFixture,
  type TestAccount,
} from "../gateway/testing/gateway-fixture.ts";

describe.each(databaseKinds)("an account's traffic, on %s", (kind) => {
  let fixture: GatewayFixture;
  let origin: CountingOrigin;

  beforeAll(async () => {
    fixture = await startGatewayFixture({ kind });
    origin = await startCountingOrigin();
  });
  afterAll(async () => {
    await fixture.close();
    await origin.close();
  });

  const tunnel = ({ username, password }: TestAccount) =>
    dialThroughConnect({
      proxy: { host: "127.0.0.1", port: fixture.gateway.port, username: `${username}-cc-de`, password },
      target: { host: "127.0.0.1", port: origin.port },
      timeoutMs: 10_000,
    });

  async function topUp({ userId }: TestAccount, bytes: bigint): Promise<void> {
    await fixture.database.db
      .updateTable("traffic_balances")
      .set((set) => ({ allowance_bytes: set("allowance_bytes", "+", bytes) }))
      .where("user_id", "=", userId)
      .execute();
  }

  test("that runs out cuts what is open, refuses what comes, and works again after a top-up, at once", async () => {
    const account = await createAccount(fixture.database.db, 50_000n);
    const { socket } = await tunnel(account);
    const broken = once(socket, "error");
    socket.resume();
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n${"x".repeat(60_000)}`);
    expect(((await broken)[0] as NodeJS.ErrnoException).code).toBe("ECONNRESET");
    await expect(tunnel(account)).rejects.toMatchObject({ code: "quota_exhausted" });
    await topUp(account, 1_000_000n);
    const again = await tunnel(account);
    again.socket.destroy();
    const { outcome } = await fixture.database.db
      .selectFrom("proxy_connections")
      .select("outcome")
      .where("user_id", "=", account.userId)
      .orderBy("opened_at")
      .executeTakeFirstOrThrow();
    expect(outcome ?? "quota_exhausted").toBe("quota_exhausted");
  });

  test("of an account without a balance is nothing", async () => {
    const account = await createAccount(fixture.database.db);
    await fixture.database.db.deleteFrom("traffic_balances").where("user_id", "=", account.userId).execute();
    await expect(tunnel(account)).rejects.toMatchObject({ code: "quota_exhausted" });
  });

  test("a revoked credential loses its connections and is refused, at once", async () => {
    const account = await createAccount(fixture.database.db);
    const { socket } = await tunnel(account);
    const broken = once(socket, "error");
    socket.resume();
    expect(fixture.gateway.countOpen(account.userId)).toBe(1);
    await fixture.database.db
      .updateTable("proxy_credentials")
      .set({ revoked_at: new Date() })
      .where("id", "=", account.username)
      .execute();
    expect(fixture.gateway.disconnectCredential(account.username)).toBe(1);
    await broken;
    await expect(tunnel(account)).rejects.toMatchObject({ code: "wrong_credentials" });
    await expect.poll(() => fixture.gateway.countOpen(account.userId)).toBe(0);
  });

  test("is written when the gateway closes, to the last byte, with tunnels still open", async () => {
    const own = await startGatewayFixture({ kind, flushMs: 3_600_000 });
    const { username, password, userId } = own.account;
    const { socket } = await dialThroughConnect({
      proxy: { host: "127.0.0.1", port: own.gateway.port, username, password },
      target: { host: "127.0.0.1", port: origin.port },
      timeoutMs: 10_000,
    });
    socket.on("error", () => {});
    const before = origin.counted();
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.resume();
    await once(socket, "data");
    const after = origin.counted();
    await own.gateway.close();
    const row = await own.database.db
      .selectFrom("proxy_connections")
      .selectAll()
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    expect(row.sent_bytes).toBe(after.arrived - before.arrived);
    expect(row.received_bytes).toBe(after.sent - before.sent);
    expect(row.outcome).toBe("closing");
    await own.usage.close();
    await own.database.close();
  });
});
