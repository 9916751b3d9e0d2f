import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Row } from "./row.ts";

const folder = join(import.meta.dirname, "../results");

/** Keeps the rows of a suite with every round and the machine they were measured on. @returns the file */
export function keepResults(
  suite: string,
  rows: readonly Row[],
  raw: Readonly<Record<string, unknown>>,
): string {
  mkdirSync(folder, { recursive: true });
  const day = new Date().toISOString().slice(0, 10);
  const file = join(folder, `${day}-${suite}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ measuredAt: new Date().toISOString(), machine: machine(), rows, raw }, null, 1)}\n`,
  );
  return file;
}

function machine(): Record<string, unknown> {
  return {
    cores: cpus().length,
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    /** At the end: much more than the suite's own processes means that something else was at work. */
    loadAverage: loadavg(),
  };
}
