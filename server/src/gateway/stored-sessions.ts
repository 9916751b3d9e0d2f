import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";
import type { SessionBeginning, SharedSessions } from "./shared-sessions.ts";

const LOOK_MS = 1_000;
const LOOK_BACK_MS = 5_000;

/** Sessions of several processes agree in the database, by its clock. */
export class StoredSessions implements SharedSessions {
  readonly #db: Kysely<Schema>;
  readonly #logger: Logger;
  readonly #listeners = new Set<Parameters<SharedSessions["onChange"]>[0]>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

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
        .set({ number, changed_at: sql<Date>`now()` })
        .where("name", "=", name)
        .where("number", "<", number)
        .execute(),
    );
  }

  lose(name: string): void {
    this.#change(name, { lost: true });
  }

  bind(name: string, upstream: string): void {
    this.#change(name, { upstream });
  }

  onChange(listener: (name: string, now: Omit<SessionBeginning, "expiresAt">) => void): void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #change(name: string, change: { lost?: boolean; upstream?: string }): void {
    const stamped = { ...change, changed_at: sql<Date>`now()` };
    this.#tell(this.#db.updateTable("exit_sessions").set(stamped).where("name", "=", name).execute());
  }

  /** A little of what was seen is seen again: a change is written before it can be read. */
  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    const changed = this.#db
      .selectFrom("exit_sessions")
      .select(["name", "number", "lost", "upstream"])
      .where("changed_at", ">", sql<Date>`now() - ${LOOK_BACK_MS} * interval '1 millisecond'`)
      .execute()
      .then((rows) => {
        for (const { name, number, lost, upstream } of rows) {
          for (const listener of this.#listeners)
            listener(name, { number, lost, upstream: upstream ?? undefined });
        }
      })
      .finally(() => {
        this.#looking = false;
      });
    this.#tell(changed);
  }

  /** What the others do not hear of they find out themselves. */
  #tell(write: Promise<unknown>): void {
    write.catch((error) => this.#logger.warn({ err: error }, "sessions could not be agreed on"));
  }
}
