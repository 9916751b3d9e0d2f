import type { Kysely } from "kysely";
import type { Schema } from "./db/schema.ts";

/** How often a living gateway renews its row. The worker believes in its crash after six times as long. */
const RENEW_MS = 10_000;

/** Says in the database that this gateway lives, from now until `close`. */
export async function announceGateway(db: Kysely<Schema>, id: string): Promise<{ close(): Promise<void> }> {
  const renew = async () => {
    const now = new Date();
    await db
      .insertInto("gateways")
      .values({ id, started_at: now, seen_at: now })
      .onConflict((on) => on.column("id").doUpdateSet({ seen_at: now }))
      .execute();
  };
  await renew();
  let renewing = Promise.resolve();
  const timer = setInterval(() => {
    // A renewal that fails is made up for by the next.
    renewing = renew().catch(() => {});
  }, RENEW_MS);
  timer.unref();
  return {
    close: async () => {
      clearInterval(timer);
      await renewing;
      await db.deleteFrom("gateways").where("id", "=", id).execute();
    },
  };
}
