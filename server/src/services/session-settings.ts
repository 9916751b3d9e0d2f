import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import type { SessionSettings } from "../gateway/limits/credential-settings.ts";
import type { AuditLog } from "./audit-log.ts";
import { authorise, type Caller } from "./caller.ts";

/** Reads and changes what sticky sessions an account gets where its user names ask for none. */
export class SessionSettingsService {
  readonly #db: Kysely<Schema>;
  readonly #audit: AuditLog;

  constructor(parts: { db: Kysely<Schema>; audit: AuditLog }) {
    this.#db = parts.db;
    this.#audit = parts.audit;
  }

  async get(caller: Caller): Promise<SessionSettings> {
    const { userId } = authorise(caller, "limits.read");
    const found = await this.#db
      .selectFrom("session_settings")
      .select(["enabled", "session_duration as minutes", "ip_stickiness as mode"])
      .where("user_id", "=", userId)
      .executeTakeFirst();
    return found ?? { enabled: false, minutes: 10, mode: "flex" };
  }

  async set(caller: Caller, settings: SessionSettings): Promise<SessionSettings> {
    const { userId } = authorise(caller, "limits.change");
    const { enabled, minutes, mode } = settings;
    const change = {
      enabled,
      session_duration: minutes,
      ip_stickiness: mode,
      updated_at: new Date(),
    };
    await this.#db.transaction().execute(async (transaction) => {
      await transaction
        .insertInto("session_settings")
        .values({ user_id: userId, ...change })
        .onConflict((on) => on.column("user_id").doUpdateSet(change))
        .execute();
      await this.#audit.record(transaction, caller, "sessions.changed", null, { enabled, minutes, mode });
    });
    return { enabled, minutes, mode };
  }
}
