import { sql } from "kysely";
import { pino } from "pino";
import { type DatabasePlace, openDatabase } from "../../db/open.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { StoredCredentials } from "../../gateway/stored-credentials.ts";
import { createAccount, HMAC_KEY } from "../../gateway/testing/gateway-fixture.ts";
import { localUpstream } from "../../gateway/upstreams/local-upstream.ts";
import { startStoredUsage } from "../stored-usage.ts";

/**
 * A gateway with its metering and its database in a process of its own, to be killed: `fork` it with the place of the
 * database as JSON. It says `ready`, answers `verify`, and says `stored` after every write.
 */
const place: DatabasePlace = JSON.parse(process.argv[2] ?? "null");
const { db, close } = await openDatabase(place);
const { migrateToLatest } = await import("@atlantic/migrations/migrate.ts");
await migrateToLatest(db);
const logger = pino({ level: "silent" });
const usage = await startStoredUsage({ db, gatewayId: "7d3c0a3e-0000-4000-8000-000000000001", logger });
const gateway = await startGateway({
  host: "127.0.0.1",
  port: 0,
  credentials: new StoredCredentials({ db, key: HMAC_KEY }),
  usage,
  upstreams: [localUpstream("local")],
  targets: { allow: ["127.0.0.0/8"] },
  logger,
});
usage.onUsage(() => process.send?.({ kind: "stored" }));
const account = await createAccount(db);

process.on("message", async (message: { kind: "verify" | "end" }) => {
  if (message.kind === "verify") process.send?.({ kind: "verified", ...(await stored()) });
  if (message.kind === "end") {
    await gateway.close();
    await usage.close();
    await close();
    process.disconnect?.();
  }
});
process.send?.({ kind: "ready", port: gateway.port, ...account });

/** Every connection, and the three places where its bytes must have been counted alike. */
async function stored() {
  const connections = await db
    .selectFrom("proxy_connections")
    .select(["id", "sent_bytes", "received_bytes", "outcome"])
    .execute();
  const { rows } = await sql<{ connections: string; hours: string; balances: string; doubled: number }>`
    select
      (select coalesce(sum(sent_bytes + received_bytes), 0)::text from proxy_connections) as connections,
      (select coalesce(sum(sent_bytes + received_bytes), 0)::text from proxy_usage) as hours,
      (select coalesce(sum(used_bytes), 0)::text from traffic_balances) as balances
  `.execute(db);
  return {
    sums: rows[0],
    connections: connections.map((row) => ({
      id: row.id,
      sent: String(row.sent_bytes),
      received: String(row.received_bytes),
      outcome: row.outcome,
    })),
  };
}
