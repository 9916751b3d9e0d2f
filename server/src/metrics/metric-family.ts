import { z } from "zod";

const labelNames = /^[a-z][a-z0-9_]*$/;

/** One number of a family. */
const sampleSchema = z.object({
  /** Behind the family's name: the parts of a histogram have such. */
  suffix: z.enum(["_bucket", "_sum", "_count"]).optional(),
  /** Values from closed lists, or out of the configuration: never what a client has chosen. */
  labels: z.record(z.string().regex(labelNames), z.string()),
  value: z.number(),
});

/** What one process tells another of a family. */
export const metricFamilySchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/),
  type: z.enum(["counter", "gauge", "histogram"]),
  /** One sentence, for people. */
  help: z.string(),
  samples: z.array(sampleSchema).readonly(),
});

/** One number, with what tells it from others of its family. */
export type Sample = Readonly<z.infer<typeof sampleSchema>>;
/** Numbers of one meaning and one unit: seconds, bytes, or things that can be counted. */
export type MetricFamily = Readonly<z.infer<typeof metricFamilySchema>>;

/** Tells families, when asked. */
export type MetricsSource = () => Promise<readonly MetricFamily[]> | readonly MetricFamily[];

/** What only rises while a process lives. */
export function counter(
  name: `${string}_total`,
  help: string,
  samples: number | readonly Sample[],
): MetricFamily {
  return { name, type: "counter", help, samples: samplesOf(samples) };
}

/** What rises and falls. */
export function gauge(name: string, help: string, samples: number | readonly Sample[]): MetricFamily {
  return { name, type: "gauge", help, samples: samplesOf(samples) };
}

/** A sample for each entry, named by one label. */
export function by(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function samplesOf(samples: number | readonly Sample[]): readonly Sample[] {
  return typeof samples === "number" ? [{ labels: {}, value: samples }] : samples;
}

/** The same families, each sample with these labels before its own. */
export function labelled(
  families: readonly MetricFamily[],
  labels: Readonly<Record<string, string>>,
): MetricFamily[] {
  return families.map((family) => ({
    ...family,
    samples: family.samples.map((sample) => ({ ...sample, labels: { ...labels, ...sample.labels } })),
  }));
}

/** Families of one name, from several sources, as one. */
export function mergedFamilies(families: readonly MetricFamily[]): MetricFamily[] {
  return [...Map.groupBy(families, ({ name }) => name).values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, samples: [first, ...others].flatMap(({ samples }) => samples) }],
  );
}
