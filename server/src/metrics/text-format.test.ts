import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { counter, gauge, labelled, type MetricFamily, mergedFamilies } from "./metric-family.ts";
import { parseMetrics } from "./testing/parse-metrics.ts";
import { metricsText } from "./text-format.ts";

const labelNames = fc.constantFrom("upstream", "state", "process", "le");
const anyText = fc.string({ unit: "binary" }).filter((text) => !/[\ud800-\udfff]/.test(text));
const awkward = fc.string({ unit: fc.constantFrom("\\", '"', "\n", "n", "{", "}", ",", "=", " ", "ä") });
const samples = fc.uniqueArray(
  fc.record({
    labels: fc.dictionary(labelNames, fc.oneof(anyText, awkward)),
    value: fc.oneof(fc.double(), fc.maxSafeInteger()),
  }),
  { selector: ({ labels }) => JSON.stringify(Object.entries(labels).sort()) },
);
const families = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/),
    type: fc.constantFrom("counter", "gauge"),
    help: fc.oneof(anyText, awkward),
    samples,
  }),
  { selector: ({ name }) => name },
) satisfies fc.Arbitrary<MetricFamily[]>;

describe("the text format", () => {
  test("is read back as it was meant: every help, type, label and number, whatever is in them", () => {
    fc.assert(
      fc.property(families, (written) => {
        const read = parseMetrics(metricsText(written));
        expect([...read.types]).toEqual(written.map(({ name, type }) => [name, type]));
        expect([...read.helps]).toEqual(written.map(({ name, help }) => [name, help]));
        const flat = written.flatMap(({ name, samples: all }) =>
          // -0 is written as 0.
          all.map(({ labels, value }) => ({ name, labels: { ...labels }, value: value + 0 })),
        );
        expect(read.samples).toEqual(flat);
      }),
    );
  });

  test("is what the format's page shows", () => {
    const text = metricsText([
      gauge("something_weird", 'A "quoted" back\\slash and\na line.', [
        { labels: { problem: 'div "by" zero\n', path: "C:\\DIR" }, value: Number.POSITIVE_INFINITY },
      ]),
      counter("requests_total", "Requests.", 1_027),
    ]);
    expect(text).toBe(
      `${[
        '# HELP something_weird A "quoted" back\\\\slash and\\na line.',
        "# TYPE something_weird gauge",
        'something_weird{path="C:\\\\DIR",problem="div \\"by\\" zero\\n"} +Inf',
        "# HELP requests_total Requests.",
        "# TYPE requests_total counter",
        "requests_total 1027",
      ].join("\n")}\n`,
    );
  });

  test("is refused here before Prometheus has to refuse it: a family or a series that is there twice", () => {
    const once = gauge("a", "A.", 1);
    expect(() => metricsText([once, once])).toThrow(/a is there twice/);
    const same = { labels: { x: "1", y: "2" }, value: 1 };
    const turned = { labels: { y: "2", x: "1" }, value: 2 };
    expect(() => metricsText([gauge("a", "A.", [same, turned])])).toThrow(/there twice/);
  });
});

test("families of several processes become one of each name, told apart by their label", () => {
  const of = (process: string, value: number) => labelled([gauge("open", "Open.", value)], { process });
  const merged = mergedFamilies([...of("0", 3), gauge("other", "Other.", 1), ...of("1", 4)]);
  const read = parseMetrics(metricsText(merged));
  expect(read.samples).toEqual([
    { name: "open", labels: { process: "0" }, value: 3 },
    { name: "open", labels: { process: "1" }, value: 4 },
    { name: "other", labels: {}, value: 1 },
  ]);
});
