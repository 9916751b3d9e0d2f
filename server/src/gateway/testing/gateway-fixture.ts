import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import { pino } from "pino";
import type { OpenDatabase } from "../../db/open.ts";
import type { Schema } from "../../db/schema.ts";
import { type DatabaseKind, openTemporaryDatabase } from "../../db/testing/temporary-database.ts";
import { StoredUsage } from "../../metering/stored-usage.ts";
import { insertCredential } from "../../services/credentials.ts";
import { startGateway } from "../gateway.ts";
import type { Gateway, GatewayOptions } from "../options.ts";
import { StoredCredentials } from "../stored-credentials.ts";
import { localUpstream } from "../upstreams/local-upstream.ts";

/** A real gateway over a real database, with one account that has one credential. */
export interface GatewayFixture {
  readonly gateway: Gateway;
  readonly usage: StoredUsage;
  readonly database: OpenDatabase;
  readonly account: TestAccount;
  /** `http://user:password@host:port`, with the user name's further parts. */
  proxyUrl(parts?: string): string;
  close(): Promise<void>;
}

export interface TestAccount {
  readonly userId: string;
  readonly username: string;
  readonly password: string;
}

/** The HMAC key of the test accounts' passwords. */
export const HMAC_KEY = Buffer.alloc(32, 7);
const silent = pino({ level: "silent" });

/** @param changes what differs from a gateway with local exits that may reach loopback */
export async function startGatewayFixture(
  changes: Partial<GatewayOptions> & { kind?: DatabaseKind; flushMs?: number } = {},
): Promise<GatewayFixture> {
  const database = await openTemporaryDatabase(changes.kind ?? "pglite");
  const { db } = database;
  const account = await createAccount(db);
  const usage = new StoredUsage({
    db,
    gatewayId: randomUUID(),
    logger: silent,
    flushMs: changes.flushMs ?? 50,
  });
  const gateway = await startGateway({
    host: "127.0.0.1",
    port: 0,
    credentials: new StoredCredentials({ db, key: HMAC_KEY }),
    usage,
    upstreams: [localUpstream("local")],
    targets: { allow: ["127.0.0.0/8"] },
    logger: silent,
    ...changes,
  });
  return {
    gateway,
    usage,
    database,
    account,
    proxyUrl: (parts = "") =>
      `http://${account.username}${parts}:${account.password}@127.0.0.1:${gateway.port}`,
    async close() {
      await gateway.close();
      await usage.close();
      await database.close();
    },
  };
}

/** An account with a credential and this many bytes. */
export async function createAccount(
  db: Kysely<Schema>,
  allowanceBytes = 1_000_000_000_000n,
): Promise<TestAccount> {
  const userId = randomUUID();
  await db
    .insertInto("user")
    .values({ id: userId, name: "Ada", email: `${userId}@example.test` })
    .execute();
  await db
    .insertInto("traffic_balances")
    .values({ user_id: userId, allowance_bytes: allowanceBytes })
    .execute();
  const { credential, password } = await insertCredential(db, { userId, label: "test", key: HMAC_KEY });
  return { userId, username: credential.username, password };
}
