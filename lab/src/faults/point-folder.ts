import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { kill } from "../net/processes.ts";
import { AIM_FILE, AIM_READ, type Aim, PASSED_FILE } from "./aim.ts";
import type { FaultPlace } from "./fault.ts";

const READ_MS = 5_000;

/** The files by which await-points.ts, in the daemon, is told where to end it, and tells what it passed. */
export class PointFolder {
  readonly #aim: string;
  readonly #passed: string;
  #read = 0;

  constructor(folder: string) {
    this.#aim = join(folder, AIM_FILE);
    this.#passed = join(folder, PASSED_FILE);
  }

  /** For the next daemon, and for this one with `tell`. Null: nowhere. */
  aim(aim: Aim | null): void {
    if (aim === null) {
      rmSync(this.#aim, { force: true });
      return;
    }
    // Whole or not at all: a daemon may be reading.
    writeFileSync(`${this.#aim}.next`, JSON.stringify(aim));
    renameSync(`${this.#aim}.next`, this.#aim);
  }

  /** Whether the daemon has ended itself. */
  get isHit(): boolean {
    return !existsSync(this.#aim);
  }

  /** Makes the daemon that runs read the aim; passings are counted from here on. */
  async tell({ product }: FaultPlace): Promise<void> {
    this.#lines();
    kill(product.daemonPid, "SIGUSR2");
    const deadline = performance.now() + READ_MS;
    while (!this.#lines().includes(AIM_READ)) {
      if (performance.now() > deadline) throw new Error(`The daemon does not read the aim. ${product.log}`);
      await delay(10);
    }
  }

  /** The points passed since the last call, and the greatest power of two that each was passed in one count. */
  passed(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const line of this.#lines()) {
      const [point, count] = line.split(" ");
      if (line === AIM_READ || point === undefined) continue;
      counts.set(point, Math.max(counts.get(point) ?? 0, Number(count)));
    }
    return counts;
  }

  /** Whole lines that were added since the last call. */
  #lines(): string[] {
    if (!existsSync(this.#passed)) return [];
    const text = readFileSync(this.#passed, "utf8");
    const end = text.lastIndexOf("\n") + 1;
    const added = text.slice(this.#read, end);
    this.#read = end;
    return added.split("\n").slice(0, -1);
  }
}
