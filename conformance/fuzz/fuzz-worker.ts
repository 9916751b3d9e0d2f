import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { runTarget, type TargetFailure } from "./run-target.ts";
import { allTargets } from "./targets/all-targets.ts";

/** A piece of work for one thread. */
export interface FuzzJob {
  readonly target: string;
  readonly inputs: number;
  readonly seed: number;
}

/** What came of it. */
export interface FuzzJobDone {
  readonly job: FuzzJob;
  readonly failure: TargetFailure | undefined;
  /** What this thread holds after a collection, in bytes. */
  readonly heapBytes: number;
}

/** What this thread tells while it works: how many inputs of the job are through. */
export interface FuzzProgress {
  readonly progress: number;
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

parentPort?.on("message", (job: FuzzJob) => {
  const target = allTargets.find(({ name }) => name === job.target);
  if (target === undefined) throw new Error(`There is no target "${job.target}".`);
  const { inputs, seed } = job;
  const progress = (done: number) => parentPort?.postMessage({ progress: done } satisfies FuzzProgress);
  const failure = runTarget(target, { inputs, seed, progress });
  if (typeof collect === "function") collect();
  const heapBytes = process.memoryUsage().heapUsed;
  parentPort?.postMessage({ job, failure, heapBytes } satisfies FuzzJobDone);
});
