import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";
import type { SessionBeginning, SharedSessions } from "./shared-sessions.ts";

/** Sessions of several processes agree in the database, by its clock. */
export class StoredSessions implements SharedSessions {
  readonly #db: Kysely<Schema>;
  readonly #logger: Logger;

  constructor(parts: { db: Kysely<Schema>; logger: Logger }) {
    this.#db = parts.db;
    this.#logger = parts.logger;
  }

  /** One statement: of those that begin a session at one moment the first does, and the others read what it wrote. */
  async begin(
    name: string,
    { lifetimeMinutes, mode }: Pick<ExitSession, "lifetimeMinutes" | "mode">,
  ): Promise<SessionBeginning> {
    const goesOn = mode === "oneip";
    const { rows } = await sql<{
      number: number;
      expires_at: Date;
      lost: boolean;
      upstream: string | null;
    }>`
      insert into exit_sessions as s (name, number, expires_at)
      values (${name}, 0, now() + ${lifetimeMinutes} * interval '1 minute')
      on conflict (name) do update set
        number = case when s.expires_at > now() or ${goesOn}::boolean then s.number else s.number + 1 end,
        lost = s.lost and (s.expires_at > now() or ${goesOn}::boolean),
        upstream = case when s.expires_at > now() or ${goesOn}::boolean then s.upstream end,
        expires_at = case when s.expires_at > now() then s.expires_at else excluded.expires_at end
      returning number, expires_at, lost, upstream
    `.execute(this.#db);
    const [row] = rows;
    if (row === undefined) throw new Error("A session was neither begun nor found.");
    const { number, lost, upstream } = row;
    return { number, lost, upstream: upstream ?? undefined, expiresAt: row.expires_at.getTime() };
  }

  move(name: string, number: number): void {
    this.#tell(
      this.#db
        .updateTable("exit_sessions")
        .set({ number })
        .where("name", "=", name)
        .where("number", "<", number)
        .execute(),
    );
  }

  lose(name: string): void {
    this.#tell(this.#db.updateTable("exit_sessions").set({ lost: true }).where("name", "=", name).execute());
  }

  bind(name: string, upstream: string): void {
    this.#tell(this.#db.updateTable("exit_sessions").set({ upstream }).where("name", "=", name).execute());
  }

  /** What the others do not hear of they find out themselves. */
  #tell(write: Promise<unknown>): void {
    write.catch((error) => this.#logger.warn({ err: error }, "a session's change was not stored"));
  }
}
