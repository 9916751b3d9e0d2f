import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { Schema } from "../db/schema.ts";

/** Work that is done now and then, whoever does it: it may be done twice, or late, without harm. */
export interface Job {
  /** Permanent: the queue's name in the database. */
  readonly name: string;
  /** When, as cron in UTC. */
  readonly cron: string;
  /** Done once more whenever a worker starts. */
  readonly atStart: boolean;
  /** Does it; how many rows it changed. */
  run(db: Kysely<Schema>, now: Date, log: Logger): Promise<number>;
}
