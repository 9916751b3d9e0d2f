import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Breach, breachSchema } from "@atlantic/shared/control/protection.ts";
import { z } from "zod";

/** As many as are kept; older ones go. */
const MAX_BREACHES = 100;

/** What was seen of breaches, on disk: newest first. */
export class BreachLog {
  readonly #path: string;
  #breaches: readonly Breach[];

  constructor(path: string) {
    this.#path = path;
    this.#breaches = readBreaches(path);
  }

  get all(): readonly Breach[] {
    return this.#breaches;
  }

  /** @throws Error when it cannot be written; it is known until the end of the process then */
  add(breach: Breach): void {
    this.#breaches = [breach, ...this.#breaches].slice(0, MAX_BREACHES);
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const beside = `${this.#path}.${process.pid}.new`;
    writeFileSync(beside, JSON.stringify(this.#breaches), { mode: 0o600, flush: true });
    renameSync(beside, this.#path);
  }
}

function readBreaches(path: string): readonly Breach[] {
  try {
    return z
      .array(breachSchema)
      .parse(JSON.parse(readFileSync(path, "utf8")))
      .slice(0, MAX_BREACHES);
  } catch {
    // Missing or damaged: evidence begins anew, protection does not depend on it.
    return [];
  }
}
