import type { Logger } from "pino";
import { gauge, type MetricFamily, type MetricsSource, mergedFamilies } from "./metric-family.ts";

/** What has not answered by then is left out: a scrape that comes late is none. */
const PATIENCE_MS = 3_000;

/**
 * Asks all sources at once. One that cannot answer is left out, and `atlantic_metrics_source_up` says which.
 * @param sources by names that will be labels
 */
export async function gatherMetrics(
  sources: Readonly<Record<string, MetricsSource>>,
  log: Logger,
): Promise<MetricFamily[]> {
  const answers = await Promise.all(
    Object.entries(sources).map(async ([name, source]) => {
      const families = await inTime(source).catch((error: unknown) => {
        log.warn({ err: error, source: name }, "metrics could not be read");
        return null;
      });
      return { name, families };
    }),
  );
  const up = gauge(
    "atlantic_metrics_source_up",
    "Whether this part of the server told its metrics: 0, and they are missing here.",
    answers.map(({ name, families }) => ({ labels: { source: name }, value: families === null ? 0 : 1 })),
  );
  return mergedFamilies([up, ...answers.flatMap(({ families }) => families ?? [])]);
}

async function inTime(source: MetricsSource): Promise<readonly MetricFamily[]> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("It did not answer in time.")), PATIENCE_MS);
  try {
    return await Promise.race([source(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
