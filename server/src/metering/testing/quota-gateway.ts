import { sql } from "kysely";
import { z } from "zod";
import { openDatabase } from "../../db/open.ts";
import { createAccount } from "../../gateway/testing/gateway-fixture.ts";
import { startLimitedGateway } from "../../gateway/testing/limited-gateway.ts";

/**
 * A gateway with leases in a process of its own, to be killed: `fork` it with its settings as JSON. It says `ready`,
 * answers `account`, `balance` and `top-up`, and ends at `end`, as a server does.
 */
const settings = z
  .object({
    place: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("postgres"), url: z.string() }),
      z.object({ kind: z.literal("pglite"), directory: z.string() }),
    ]),
    gatewayId: z.uuid(),
  })
  .parse(JSON.parse(process.argv[2] ?? "null"));
const database = await openDatabase(settings.place);
const { db } = database;
const { migrateToLatest } = await import("@atlantic/migrations/migrate.ts");
await migrateToLatest(db);
const limited = await startLimitedGateway(database, { gatewayId: settings.gatewayId, flushMs: 400 });

const messageSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("account"), bytes: z.string() }),
  z.object({ kind: z.literal("balance"), userId: z.string() }),
  z.object({ kind: z.literal("top-up"), userId: z.string(), bytes: z.string() }),
  z.object({ kind: z.literal("end") }),
]);

process.on("message", async (received) => {
  const message = messageSchema.parse(received);
  if (message.kind === "account") {
    process.send?.({ kind: "account", ...(await createAccount(db, BigInt(message.bytes))) });
  } else if (message.kind === "balance") {
    process.send?.({ kind: "balance", ...(await balanceOf(message.userId)) });
  } else if (message.kind === "top-up") {
    await db
      .updateTable("traffic_balances")
      .set((set) => ({ allowance_bytes: set("allowance_bytes", "+", BigInt(message.bytes)) }))
      .where("user_id", "=", message.userId)
      .execute();
    process.send?.({ kind: "topped-up" });
  } else {
    await limited.close();
    await database.close();
    process.disconnect?.();
  }
});
process.send?.({ kind: "ready", port: limited.gateway.port });

async function balanceOf(userId: string) {
  const { rows } = await sql<
    Record<"allowance" | "used" | "reserved" | "overrun" | "connections" | "open" | "leases", string>
  >`
    select allowance_bytes::text as allowance, used_bytes::text as used, reserved_bytes::text as reserved,
      overrun_bytes::text as overrun,
      (select coalesce(sum(bytes), 0)::text from traffic_leases where user_id = b.user_id) as leases,
      (select coalesce(sum(sent_bytes + received_bytes), 0)::text from proxy_connections
        where user_id = b.user_id) as connections,
      (select count(*)::text from proxy_connections where user_id = b.user_id and closed_at is null) as open
    from traffic_balances b where user_id = ${userId}
  `.execute(db);
  return rows[0];
}
