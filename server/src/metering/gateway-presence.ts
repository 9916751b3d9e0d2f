import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";

/** The worker takes a gateway for crashed that was not seen for a minute, and closes its connections. */
const RENEW_MS = 10_000;

/** Shows that a gateway runs. */
export interface GatewayPresence {
  /** Takes the sign away: to be called when no connection is open any more. */
  close(): Promise<void>;
}

/** Shows in the database that this gateway runs, for as long as it does. */
export async function showPresence(parts: {
  db: Kysely<Schema>;
  gatewayId: string;
  logger: Logger;
}): Promise<GatewayPresence> {
  const { db, gatewayId, logger } = parts;
  const renew = async () => {
    await db
      .insertInto("gateways")
      .values({ id: gatewayId, seen_at: new Date() })
      .onConflict((on) => on.column("id").doUpdateSet({ seen_at: new Date() }))
      .execute();
  };
  await renew();
  const timer = setInterval(() => {
    renew().catch((error) => logger.error({ err: error }, "the gateway's presence was not renewed"));
  }, RENEW_MS);
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      await db.deleteFrom("gateways").where("id", "=", gatewayId).execute();
    },
  };
}
