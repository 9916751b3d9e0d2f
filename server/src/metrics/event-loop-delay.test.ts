import { expect, test } from "vitest";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { parseMetrics } from "./testing/parse-metrics.ts";
import { metricsText } from "./text-format.ts";

test("a wait is in its bucket and all larger ones, in the sum and in the count", () => {
  const delay = new EventLoopDelay();
  for (const seconds of [0, 0.01, 0.03, 7]) delay.add(seconds);
  const read = parseMetrics(metricsText([delay.read()]));
  delay.close();
  const buckets = read.samples.filter(({ name }) => name.endsWith("_bucket"));
  expect(buckets.map(({ labels, value }) => [labels.le, value])).toEqual([
    ["0.005", 1],
    ["0.01", 2],
    ["0.025", 2],
    ["0.05", 3],
    ["0.1", 3],
    ["0.25", 3],
    ["1", 3],
    ["+Inf", 4],
  ]);
  expect(read.sum("atlantic_event_loop_delay_seconds_sum")).toBeCloseTo(7.04);
  expect(read.sum("atlantic_event_loop_delay_seconds_count")).toBe(4);
});
