import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FuzzJob, FuzzJobDone, FuzzProgress } from "./fuzz-worker.ts";
import type { TargetFailure } from "./run-target.ts";

/** A thread that says nothing for so long hangs. */
const HANG_MS = 30_000;
/** What a target may hold more after its last job than after its first. */
const GROWTH_BYTES = 16 << 20;

/** What a run came to. */
export interface FuzzResult {
  readonly inputs: number;
  readonly seconds: number;
  readonly peakMiB: number;
  readonly byTarget: Readonly<Record<string, number>>;
  readonly failures: readonly TargetFailure[];
}

/** The jobs of a run, on as many threads as there are cores, watched for hanging and for memory that grows. */
export class FuzzRun {
  readonly #jobs: FuzzJob[];
  readonly #began = performance.now();
  readonly #byTarget = new Map<string, number>();
  readonly #failures: TargetFailure[] = [];
  /** What each thread held after its first job of a target. */
  readonly #held = new Map<string, number>();
  #peakBytes = 0;

  constructor(jobs: FuzzJob[]) {
    this.#jobs = jobs;
  }

  async finished(): Promise<FuzzResult> {
    const sampler = setInterval(() => this.#sample(), 1_000);
    const threads = Math.max(1, Math.min(availableParallelism(), 8));
    await Promise.all(Array.from({ length: threads }, (_, index) => this.#thread(index)));
    clearInterval(sampler);
    this.#sample();
    return {
      inputs: [...this.#byTarget.values()].reduce((all, one) => all + one, 0),
      seconds: Math.round((performance.now() - this.#began) / 1_000),
      peakMiB: Math.round(this.#peakBytes / (1 << 20)),
      byTarget: Object.fromEntries(this.#byTarget),
      failures: this.#failures,
    };
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, process.memoryUsage().rss);
    const done = [...this.#byTarget.values()].reduce((all, one) => all + one, 0);
    if (process.stdout.isTTY) process.stdout.write(`\r  ${done.toLocaleString("en")} inputs`);
  }

  async #thread(index: number): Promise<void> {
    let worker = newWorker();
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      const done = await this.#runJob(worker, job);
      if (done === undefined) {
        await worker.terminate();
        worker = newWorker();
        continue;
      }
      this.#note(index, done);
    }
    await worker.terminate();
  }

  #note(thread: number, { job, failure, heapBytes }: FuzzJobDone): void {
    this.#byTarget.set(job.target, (this.#byTarget.get(job.target) ?? 0) + job.inputs);
    if (failure) this.#failures.push(failure);
    const name = `${thread} ${job.target}`;
    const before = this.#held.get(name);
    if (before === undefined) this.#held.set(name, heapBytes);
    else if (heapBytes > before + GROWTH_BYTES) {
      this.#fail(job, `Memory grows: ${before} bytes were held after one job, ${heapBytes} now.`);
    }
  }

  #fail({ target, seed }: FuzzJob, problem: string): void {
    this.#failures.push({ target, index: -1, input: "", problem: `${problem} The job's seed is ${seed}.` });
  }

  /** @returns undefined where the thread hangs or has ended; the failure is noted then */
  async #runJob(worker: Worker, job: FuzzJob): Promise<FuzzJobDone | undefined> {
    const { promise, resolve } = Promise.withResolvers<FuzzJobDone | undefined>();
    let at = 0;
    const hangs = () => {
      this.#fail(job, `It hangs after input ${at}.`);
      resolve(undefined);
    };
    let timer = setTimeout(hangs, HANG_MS);
    const onMessage = (message: FuzzProgress | FuzzJobDone) => {
      clearTimeout(timer);
      if ("progress" in message) {
        at = message.progress;
        timer = setTimeout(hangs, HANG_MS);
      } else resolve(message);
    };
    const onError = (error: Error) => {
      this.#fail(job, `The thread ended: ${error.message}`);
      resolve(undefined);
    };
    worker.on("message", onMessage);
    worker.once("error", onError);
    worker.postMessage(job);
    const done = await promise;
    clearTimeout(timer);
    worker.off("message", onMessage);
    worker.off("error", onError);
    return done;
  }
}

function newWorker(): Worker {
  return new Worker(new URL("./fuzz-worker.ts", import.meta.url));
}
