import { sql } from "kysely";
import { pino } from "pino";
import { type DatabasePlace, openDatabase } from "../../db/open.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { StoredCredentials } from "../../gateway/stored-credentials.ts";
import { createAccount, HMAC_KEY } from "../../gateway/testing/gateway-fixture.ts";
import { localUpstream } from "../../gateway/upstreams/local-upstream.ts";
import { reconcile } from "../reconciliation/reconcile.ts";
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
usage.onUsage(() => process.send?.({ kind: "stored", at: Date.now() }));
const account = await createAccount(db);

process.on("message", async (message: { kind: "verify" | "end"; since?: number; fully?: boolean }) => {
  if (message.kind === "verify") {
    process.send?.({ kind: "verified", ...(await stored(message.since ?? 0, message.fully === true)) });
  }
  if (message.kind === "end") {
    await gateway.close();
    await usage.close();
    await close();
    process.disconnect?.();
  }
});
process.send?.({ kind: "ready", port: gateway.port, ...account });

/** The connections since a moment, and the places where all bytes ever must have been counted alike. */
async function stored(since: number, fully: boolean) {
  const connections = await db
    .selectFrom("proxy_connections")
    .select(["target_host", "sent_bytes", "received_bytes", "outcome", "receipt_number"])
    .where("opened_at", ">=", new Date(since))
    .execute();
  const { rows } = await sql<Record<string, string>>`
    select
      (select coalesce(sum(sent_bytes + received_bytes), 0)::text from proxy_connections) as connections,
      (select coalesce(sum(sent_bytes + received_bytes), 0)::text from proxy_usage) as hours,
      (select coalesce(sum(used_bytes), 0)::text from traffic_balances) as balances,
      (select coalesce(sum(bytes), 0)::text from (
        (select distinct on (connection_id) sent_bytes_total + received_bytes_total as bytes
          from usage_events order by connection_id, seq desc)
        union all
        select sent_bytes + received_bytes from proxy_connections where closed_at is not null and last_seq = 0
      ) last) as events
  `.execute(db);
  const differences = fully ? (await reconcile(db, new Date(), { log: logger })).differences : [];
  return {
    sums: rows[0],
    differences: differences.map(({ sentence }) => sentence),
    connections: connections.map((row) => ({
      target: row.target_host,
      sent: String(row.sent_bytes),
      received: String(row.received_bytes),
      outcome: row.outcome,
      hasReceipt: row.receipt_number !== null,
    })),
  };
}
