import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateDown, migrateToLatest } from "@atlantic/migrations/migrate.ts";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type OpenDatabase, openDatabase } from "./open.ts";
import { seedPglite } from "./testing/pglite-template.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "./testing/temporary-postgres.ts";

describe.each(["pglite", "postgres"] as const)("the data model on %s", (kind) => {
  let postgres: TemporaryPostgres | undefined;
  let directory: string;
  let database: OpenDatabase;

  beforeAll(async () => {
    if (kind === "postgres") postgres = await startTemporaryPostgres();
  });
  afterAll(async () => postgres?.stop());

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "atlantic-schema-"));
    if (kind === "pglite") await seedPglite(directory);
    database = await openDatabase(
      postgres === undefined
        ? { kind: "pglite", directory }
        : { kind: "postgres", url: await postgres.createDatabase() },
    );
    await migrateToLatest(database.db);
  });
  afterEach(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("goes up, down to nothing, and up again to the same tables", async () => {
    const { db } = database;
    const before = await structure();
    expect(before.length).toBeGreaterThan(100);
    await migrateDown(db);
    expect(await structure()).toEqual([]);
    expect(await ownFunctions()).toEqual([]);
    await migrateToLatest(db);
    expect(await structure()).toEqual(before);
    expect(await migrateToLatest(db)).toEqual([]);
  });

  test("reads int8, numeric, timestamptz, jsonb and bytea as the same values", async () => {
    const moment = new Date("2026-11-23T15:04:05.678Z");
    const { rows } = await sql<Record<string, unknown>>`select
      ${9007199254740993n}::int8 as large,
      5::int8 as small,
      (select count(*) from "user") as counted,
      '123456789012345678901234567890.000000001'::numeric as exact,
      ${moment}::timestamptz as at,
      '2026-11-23 15:04:05.678901+05:30'::timestamptz as fine,
      ${JSON.stringify({ a: [1, "zwei"] })}::jsonb as document,
      ${Buffer.from([0, 255, 128])}::bytea as bytes,
      0.25::float8 as share,
      7::int4 as whole`.execute(database.db);
    const { bytes, ...values } = rows[0] ?? {};
    expect(values).toEqual({
      large: 9007199254740993n,
      small: 5n,
      counted: 0n,
      exact: "123456789012345678901234567890.000000001",
      at: moment,
      fine: new Date("2026-11-23T09:34:05.678Z"),
      document: { a: [1, "zwei"] },
      share: 0.25,
      whole: 7,
    });
    expect([...(bytes as Uint8Array)]).toEqual([0, 255, 128]);
  });

  test("keeps int8 and numeric exact through a table", async () => {
    const { db } = database;
    const plan = {
      id: "plan_1",
      code: "start",
      version: 1,
      name: "Start",
      currency: "EUR",
      interval: "month" as const,
      included_bytes: 9223372036854775807n,
      price_per_gb: "3.123456789",
    };
    await db.insertInto("plans").values(plan).execute();
    const row = await db.selectFrom("plans").selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ ...plan, fee_nanos: 0n });
  });

  test("counts a usage event that is written twice once", async () => {
    const { db } = database;
    await insertConnection();
    const event = {
      connection_id: "00000000-0000-5000-8000-000000000001",
      seq: 1,
      sent_bytes_total: 10n,
      received_bytes_total: 20n,
      requests_total: 1n,
      at: new Date(),
    };
    const insert = () =>
      db
        .insertInto("usage_events")
        .values(event)
        .onConflict((on) => on.doNothing())
        .returning("seq")
        .execute();
    expect(await insert()).toHaveLength(1);
    expect(await insert()).toHaveLength(0);
    await expect(db.insertInto("usage_events").values(event).execute()).rejects.toThrow(/unique/);
  });

  test("refuses a ledger transaction that does not add up, and one with a single entry", async () => {
    await insertLedgerAccounts();
    await expect(
      post([
        ["wallet", 100n],
        ["revenue", -99n],
      ]),
    ).rejects.toThrow(/add up to zero/);
    await expect(post([["wallet", 100n]])).rejects.toThrow(/fewer than two entries/);
    await expect(post([])).rejects.toThrow(/fewer than two entries/);
    expect(await balances()).toEqual({ wallet: 0n, revenue: 0n });
  });

  test("posts a balanced ledger transaction and keeps the balances with it", async () => {
    await insertLedgerAccounts();
    await post([
      ["wallet", 100n],
      ["revenue", -100n],
    ]);
    expect(await balances()).toEqual({ wallet: 100n, revenue: -100n });
  });

  test("refuses an entry that takes an account below its minimum", async () => {
    await insertLedgerAccounts();
    await expect(
      post([
        ["wallet", -1n],
        ["revenue", 1n],
      ]),
    ).rejects.toThrow(/check/);
  });

  test.each(["ledger_entries", "ledger_transactions", "audit_log"])(
    "lets no row of %s be changed",
    async (table) => {
      const { db } = database;
      await expect(sql`delete from ${sql.table(table)}`.execute(db)).rejects.toThrow(/append-only/);
      await expect(sql`truncate ${sql.table(table)} cascade`.execute(db)).rejects.toThrow(/append-only/);
      await expect(sql`update ${sql.table(table)} set id = id`.execute(db)).rejects.toThrow(/append-only|id/);
    },
  );

  async function structure(): Promise<string[]> {
    const { rows } = await sql<{ line: string }>`
      select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable as line
        from information_schema.columns where table_schema = 'public' and table_name not like 'kysely_%'
      union all
      select indexdef from pg_indexes where schemaname = 'public' and tablename not like 'kysely_%'
      union all
      select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'kysely_%'
      order by 1`.execute(database.db);
    return rows.map((row) => row.line);
  }

  async function ownFunctions(): Promise<unknown[]> {
    const { rows } =
      await sql`select proname from pg_proc where pronamespace = 'public'::regnamespace`.execute(database.db);
    return rows;
  }

  async function insertConnection(): Promise<void> {
    const { db } = database;
    await db.insertInto("user").values({ id: "u1", name: "Ada", email: "ada@example.test" }).execute();
    await db
      .insertInto("proxy_credentials")
      .values({
        id: "atl_00000001",
        user_id: "u1",
        username: "atl_00000001",
        password_hmac: Buffer.alloc(32),
        label: "laptop",
      })
      .execute();
    await db
      .insertInto("proxy_connections")
      .values({
        id: "00000000-0000-5000-8000-000000000001",
        user_id: "u1",
        credential_id: "atl_00000001",
        gateway_id: "g1",
        client: "127.0.0.1",
        protocol: "connect",
        target_host: "example.test",
        target_port: 443,
        opened_at: new Date(),
      })
      .execute();
  }

  async function insertLedgerAccounts(): Promise<void> {
    await database.db
      .insertInto("ledger_accounts")
      .values([
        { id: "wallet", kind: "wallet", currency: "EUR", minimum_balance: 0n },
        { id: "revenue", kind: "revenue", currency: "EUR" },
      ])
      .execute();
  }

  async function post(entries: readonly (readonly [account: string, amount: bigint])[]): Promise<void> {
    await database.db.transaction().execute(async (transaction) => {
      const header = await transaction
        .insertInto("ledger_transactions")
        .values({
          kind: "test",
          description: "a test",
          idempotency_scope: "test",
          idempotency_key: crypto.randomUUID(),
          request_hash: Buffer.alloc(32),
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      for (const [account_id, amount] of entries) {
        await transaction
          .insertInto("ledger_entries")
          .values({ transaction_id: header.id, account_id, amount })
          .execute();
      }
    });
  }

  async function balances(): Promise<Record<string, bigint>> {
    const rows = await database.db.selectFrom("ledger_accounts").select(["id", "balance"]).execute();
    return Object.fromEntries(rows.map((row) => [row.id, row.balance]));
  }
});
