import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { z } from "zod";
import type { Schema } from "../db/schema.ts";
import type { PartHealth } from "../http/health.ts";
import { lastReconciliation } from "../metering/reconciliation/reconcile.ts";
import { gauge, type MetricFamily } from "./metric-family.ts";

const packageSchema = z.object({ version: z.string() });

/** Which version runs here, on which Node: the number is always 1. */
export async function buildMetrics(): Promise<MetricFamily[]> {
  const path = join(import.meta.dirname, "../../package.json");
  const { version } = packageSchema.parse(JSON.parse(await readFile(path, "utf8")));
  const labels = { version, node: process.versions.node };
  return [gauge("atlantic_build_info", "What runs here, in the labels; always 1.", [{ labels, value: 1 }])];
}

/** Whether the worker does its jobs; nothing where it is not a role of this process. */
export function workerMetrics({ state }: PartHealth): MetricFamily[] {
  if (state === "off") return [];
  return [
    gauge(
      "atlantic_worker_up",
      "Whether the worker does its jobs: 0, and /health says why.",
      state === "up" ? 1 : 0,
    ),
  ];
}

/** What the last nightly comparison of the books has found: one row, by its index. Nothing before the first. */
export async function reconciliationMetrics(db: Kysely<Schema>): Promise<MetricFamily[]> {
  const last = await lastReconciliation(db);
  if (last === null) return [];
  return [
    gauge(
      "atlantic_usage_reconcile_timestamp_seconds",
      "When the books were last compared.",
      last.at.getTime() / 1_000,
    ),
    gauge(
      "atlantic_usage_reconcile_differences",
      "How many differences the last comparison of the books has found: 0, or it is an alarm.",
      last.differences,
    ),
    gauge(
      "atlantic_usage_reconcile_delta_bytes",
      "By how many bytes the books differed at the last comparison.",
      Number(last.bytes),
    ),
  ];
}
