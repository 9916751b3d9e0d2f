import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PolicyInForce } from "./policy-in-force.ts";

const DAY_MS = 86_400_000;
const FLUSH_MS = 2_000;
/** Names that may wait to be written: more in so short a time say no more. */
const MAX_WAITING = 10_000;
const FILE = /^decisions-(\d{4}-\d{2}-\d{2})\.(jsonl|json)$/;

export interface DecisionLogOptions {
  readonly directory: string;
  readonly policy: () => PolicyInForce | null;
  readonly now?: () => number;
}

/** Keeps of a policy's decisions what the policy itself says: nothing, how many there were, or the names; and no longer. */
export class DecisionLog {
  readonly #options: DecisionLogOptions;
  readonly #now: () => number;
  #lines: string[] = [];
  readonly #counts = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: DecisionLogOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  blocked(name: string, source: string): void {
    const policy = this.#options.policy();
    const kept = policy?.policy.logging.decisions ?? "nothing";
    if (kept === "nothing") return;
    this.#counts.set(source, (this.#counts.get(source) ?? 0) + 1);
    if (kept !== "names" || this.#lines.length >= MAX_WAITING) return;
    const because = policy?.because(name) ?? null;
    this.#lines.push(JSON.stringify({ at: this.#now(), name, decision: "blocked", by: source, because }));
  }

  /** Writes what waits, and deletes what may not be kept any longer. */
  flush(): void {
    const day = new Date(this.#now()).toISOString().slice(0, 10);
    if (this.#lines.length > 0) {
      appendFileSync(this.#path(`${day}.jsonl`), `${this.#lines.join("\n")}\n`, { mode: 0o600 });
      this.#lines = [];
    }
    if (this.#counts.size > 0) {
      const counts = JSON.stringify(Object.fromEntries(this.#counts), null, 2);
      writeFileSync(this.#path(`${day}.json`), `${counts}\n`, { mode: 0o600 });
    }
    this.#deleteOld();
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  #path(end: string): string {
    return join(this.#options.directory, `decisions-${end}`);
  }

  #deleteOld(): void {
    const days = this.#options.policy()?.policy.logging.keepDays ?? 0;
    for (const file of readdirSync(this.#options.directory)) {
      const day = FILE.exec(file)?.[1];
      if (day === undefined || this.#now() - Date.parse(day) < (days + 1) * DAY_MS) continue;
      rmSync(join(this.#options.directory, file), { force: true });
    }
  }
}
