import type { MetricFamily, Sample } from "./metric-family.ts";

/** What Prometheus takes this text for. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Families in Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): each with
 * its HELP and TYPE once, and all its samples behind them.
 *
 * @throws Error for two families of one name, or two samples that nothing tells apart: the whole text would be refused
 */
export function metricsText(families: readonly MetricFamily[]): string {
  const newName = eachOnce();
  const newSeries = eachOnce();
  const lines = families.flatMap((family) => {
    const name = newName(family.name);
    return [
      `# HELP ${name} ${escapeHelp(family.help)}`,
      `# TYPE ${name} ${family.type}`,
      ...family.samples.map((sample) => `${newSeries(seriesOf(family, sample))} ${numberText(sample.value)}`),
    ];
  });
  return lines.map((line) => `${line}\n`).join("");
}

function eachOnce(): (what: string) => string {
  const seen = new Set<string>();
  return (what) => {
    if (seen.has(what)) throw new Error(`The metric ${what} is there twice.`);
    seen.add(what);
    return what;
  };
}

function seriesOf({ name: family }: MetricFamily, { suffix, labels }: Sample): string {
  const name = `${family}${suffix ?? ""}`;
  // In one order: two that differ in nothing else are the same series.
  const pairs = Object.keys(labels)
    .sort()
    .map((label) => `${label}="${escapeValue(labels[label] ?? "")}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", '"': '\\"' };

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (one) => escapes[one] ?? one);
}

function escapeValue(text: string): string {
  return text.replace(/[\\\n"]/g, (one) => escapes[one] ?? one);
}

/** As Go's ParseFloat reads it. */
function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
