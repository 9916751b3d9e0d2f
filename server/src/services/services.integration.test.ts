import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDatabase } from "../db/open.ts";
import { databaseKinds, openTemporaryDatabase } from "../db/testing/temporary-database.ts";
import type { Caller } from "./caller.ts";
import { storeLocations } from "./exits.ts";
import { createServices, type Services } from "./services.ts";
import { noGateway } from "./testing/no-gateway.ts";

const NOW = new Date("2026-12-01T02:30:00Z");

const free = { unchargedSentBytes: 0n, unchargedReceivedBytes: 0n, tlsBytes: 0n };

describe.each(databaseKinds)("the services on %s", (kind) => {
  let database: OpenDatabase;
  let services: Services;

  beforeAll(async () => {
    database = await openTemporaryDatabase(kind);
    services = createServices({
      db: database.db,
      credentialKey: Buffer.alloc(32, 1),
      gateway: noGateway,
      gatewayAddress: () => ({ host: "127.0.0.1", port: 7777 }),
      now: () => NOW,
    });
  });
  afterAll(() => database.close());

  test("a list of connections goes on where it stopped, though many were opened at one moment", async () => {
    const { caller, credentialId } = await newAccount();
    const opened = new Date("2026-11-30T12:00:00Z");
    const ids = Array.from({ length: 7 }, () => randomUUID());
    for (const id of ids) await insertConnection({ id, caller, credentialId, opened });
    const newest = randomUUID();
    await insertConnection({ id: newest, caller, credentialId, opened: NOW });
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await services.connections.list(caller, { limit: 3, before });
      seen.push(...page.connections.map(({ id }) => id));
      before = page.next ?? undefined;
    } while (before !== undefined);
    expect(seen[0]).toBe(newest);
    expect(seen.slice(1)).toEqual([...ids].sort().reverse());
    await expect(services.connections.list(caller, { limit: 3, before: "1_2" })).rejects.toThrow(
      "cannot go on",
    );
  });

  test("a month is the calendar's, a range ends now, and each bucket has what belongs into it", async () => {
    const { caller, credentialId } = await newAccount();
    await insertUsage(caller, credentialId, "2026-11-30T23:00:00Z", "de", 100n);
    await insertUsage(caller, credentialId, "2026-12-01T00:00:00Z", "de", 20n);
    await insertUsage(caller, credentialId, "2026-12-01T02:00:00Z", "", 3n);
    await insertUsage(caller, credentialId, "2026-11-30T02:00:00Z", "us", 5000n);
    const { month } = await services.usage.summary(caller);
    expect(month).toMatchObject({ sentBytes: 23n, receivedBytes: 46n, requests: 2n, failed: 0n });
    const day = await services.usage.series(caller, "day");
    expect(day.points.filter((point) => point.sentBytes > 0n)).toEqual([
      { at: new Date("2026-11-30T23:00:00Z"), sentBytes: 100n, receivedBytes: 200n, requests: 1n, ...free },
      { at: new Date("2026-12-01T00:00:00Z"), sentBytes: 20n, receivedBytes: 40n, requests: 1n, ...free },
      { at: new Date("2026-12-01T02:00:00Z"), sentBytes: 3n, receivedBytes: 6n, requests: 1n, ...free },
    ]);
    expect(day.points.at(-1)?.at).toEqual(new Date("2026-12-01T02:00:00Z"));
    const week = await services.usage.series(caller, "week");
    expect(week.points.map(({ sentBytes }) => sentBytes).filter((bytes) => bytes > 0n)).toEqual([
      5000n,
      100n,
      23n,
    ]);
    const exits = await services.usage.byExit(caller, "day");
    expect(exits.map(({ country, label, sentBytes }) => [country, label, sentBytes])).toEqual([
      ["de", "Germany", 120n],
      [null, "No exit chosen", 3n],
    ]);
  });

  test("what is left is never below nothing", async () => {
    const { caller } = await newAccount();
    await database.db
      .insertInto("traffic_balances")
      .values({ user_id: caller.principal.userId, allowance_bytes: 10n, used_bytes: 15n, resets_at: null })
      .execute();
    const { balance } = await services.usage.summary(caller);
    expect(balance).toEqual({ remainingBytes: 0n, allowanceBytes: 10n, resetsAt: null });
  });

  test("of many credentials asked for at once no more are made than an account may have", async () => {
    const { caller } = await newAccount();
    for (let made = 1; made < 98; made++) await services.credentials.create(caller, "one of many");
    const attempts = await Promise.allSettled(
      Array.from({ length: 6 }, () => services.credentials.create(caller, "at once")),
    );
    expect(attempts.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    const [{ id = "" } = {}] = await services.credentials.list(caller);
    await services.credentials.revoke(caller, id);
    await services.credentials.create(caller, "in its place");
  });

  test("locations become those offered, and keep what was measured of them", async () => {
    const { caller } = await newAccount();
    const place = (id: string, country: string) => ({
      id,
      country,
      region: null,
      city: null,
      label: country.toUpperCase(),
      network: "residential" as const,
      servers: 1,
    });
    await storeLocations(database.db, [place("de", "de"), place("us", "us")]);
    await database.db.updateTable("proxy_locations").set({ latency: 12.5, uptime: 0.99 }).execute();
    await storeLocations(database.db, [{ ...place("us", "us"), servers: 4 }, place("jp", "jp")]);
    const exits = await services.exits.list(caller);
    expect(exits.map(({ id, servers, latencyMs, uptime }) => [id, servers, latencyMs, uptime])).toEqual([
      ["jp", 1, null, null],
      ["us", 4, 12.5, 0.99],
    ]);
    await storeLocations(database.db, []);
    expect(await services.exits.list(caller)).toEqual([]);
  });

  async function newAccount(): Promise<{ caller: Caller; credentialId: string }> {
    const userId = randomUUID();
    await database.db
      .insertInto("user")
      .values({ id: userId, name: "Ada", email: `${userId}@example.test` })
      .execute();
    const caller: Caller = {
      principal: { kind: "session", userId, sessionId: "s1" },
      address: null,
      userAgent: null,
      requestId: null,
    };
    const { credential } = await services.credentials.create(caller, "laptop");
    return { caller, credentialId: credential.id };
  }

  async function insertConnection(wanted: {
    id: string;
    caller: Caller;
    credentialId: string;
    opened: Date;
  }) {
    await database.db
      .insertInto("proxy_connections")
      .values({
        id: wanted.id,
        user_id: wanted.caller.principal.userId,
        credential_id: wanted.credentialId,
        gateway_id: "g1",
        client: "127.0.0.1",
        protocol: "connect",
        target_host: "example.test",
        target_port: 443,
        opened_at: wanted.opened,
      })
      .execute();
  }

  async function insertUsage(
    caller: Caller,
    credentialId: string,
    hour: string,
    country: string,
    sent: bigint,
  ) {
    await database.db
      .insertInto("proxy_usage")
      .values({
        user_id: caller.principal.userId,
        credential_id: credentialId,
        hour: new Date(hour),
        exit_country: country,
        protocol: "connect",
        sent_bytes: sent,
        received_bytes: 2n * sent,
        requests: 1n,
      })
      .execute();
  }
});
