import type { PgBoss } from "pg-boss";
import type { Logger } from "pino";
import type { OpenDatabase } from "../db/open.ts";
import type { PartHealth } from "../http/health.ts";
import type { Job } from "./job.ts";

/** A running worker. */
export interface Worker {
  /** Fulfilled once it takes jobs; never rejected: a failed start is seen in `health`. */
  readonly ready: Promise<void>;
  health(): PartHealth;
  /** Waits for running jobs and stops. */
  close(): Promise<void>;
}

/** How often the queues are looked at. No job of ours is in a hurry. */
const POLL_SECONDS = 30;

/** How long a running job may hold up the end of the process. */
const STOP_TIMEOUT_MS = 5_000;

/** The schema of pg-boss's own tables. */
const SCHEMA = "jobs";

/**
 * Starts the worker in the background: the server is of use before it. pg-boss makes its own tables, and of several
 * processes one does each job.
 */
export function startWorker(parts: { database: OpenDatabase; jobs: readonly Job[]; log: Logger }): Worker {
  let health: PartHealth = { state: "up", detail: "starting" };
  const starting = start(parts, (problem) => {
    health = { state: "down", detail: problem };
  }).then(
    (boss) => {
      health = { state: "up", detail: `${parts.jobs.length} jobs` };
      return boss;
    },
    (error: unknown) => {
      parts.log.error({ err: error }, "the worker did not start");
      health = { state: "down", detail: "did not start; the log says why" };
      return undefined;
    },
  );
  return {
    ready: starting.then(() => undefined),
    health: () => health,
    close: async () => {
      const boss = await starting;
      await boss?.stop({ graceful: true, timeout: STOP_TIMEOUT_MS, close: false });
    },
  };
}

async function start(
  { database, jobs, log }: { database: OpenDatabase; jobs: readonly Job[]; log: Logger },
  onProblem: (sentence: string) => void,
): Promise<PgBoss> {
  const { PgBoss } = await import("pg-boss");
  const boss = new PgBoss({
    db: { executeSql: (text, values) => database.runRaw(text, values) },
    backend: database.kind,
    schema: SCHEMA,
    reindex: false,
  });
  boss.on("error", (error) => {
    log.error({ err: error }, "the worker's queue failed");
    onProblem("the queue fails; the log says why");
  });
  await boss.start();
  for (const job of jobs) await takeUp(boss, job, database, log);
  return boss;
}

async function takeUp(boss: PgBoss, job: Job, database: OpenDatabase, log: Logger): Promise<void> {
  // At most one waits: a minute that was missed is not made up for.
  await boss.createQueue(job.name, { policy: "stately", retryLimit: 2, expireInSeconds: 300 });
  // Before the queue is first looked at: the next look is half a minute later.
  if (job.atStart) await boss.send(job.name);
  await boss.work(job.name, { pollingIntervalSeconds: POLL_SECONDS }, async () => {
    const changed = await job.run(database.db, new Date(), log);
    log.debug({ job: job.name, changed }, "a job was done");
  });
  await boss.schedule(job.name, job.cron, null, { tz: "UTC" });
}
