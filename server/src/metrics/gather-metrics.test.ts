import { pino } from "pino";
import { expect, test } from "vitest";
import { gatherMetrics } from "./gather-metrics.ts";
import { gauge } from "./metric-family.ts";
import { MetricsQuestion } from "./metrics-question.ts";
import { parseMetrics } from "./testing/parse-metrics.ts";
import { metricsText } from "./text-format.ts";

const log = pino({ level: "silent" });

test("a source that fails is missing and said to be; the others are there", async () => {
  const families = await gatherMetrics(
    {
      well: () => [gauge("well", "Well.", 1)],
      ill: () => Promise.reject(new Error("the database is gone")),
    },
    log,
  );
  const read = parseMetrics(metricsText(families));
  expect(read.sum("well")).toBe(1);
  expect(read.sum("atlantic_metrics_source_up", { source: "well" })).toBe(1);
  expect(read.sum("atlantic_metrics_source_up", { source: "ill" })).toBe(0);
});

test("a process is asked once for all who ask at the same time, and again for the next", async () => {
  let sent = 0;
  const question = new MetricsQuestion(() => {
    sent += 1;
  });
  const both = [question.ask(), question.ask()];
  question.answered([gauge("first", "First.", 1)]);
  const [one, other] = await Promise.all(both);
  expect(one).toEqual(other);
  expect(sent).toBe(1);
  const next = question.ask();
  question.answered([gauge("second", "Second.", 2)]);
  expect((await next)?.map(({ name }) => name)).toEqual(["second"]);
  expect(sent).toBe(2);
});

test("a process that ends while it is asked, or cannot be asked, has nothing to tell, and nobody waits for it", async () => {
  const ending = new MetricsQuestion(() => {});
  const asked = ending.ask();
  ending.answered(null);
  expect(await asked).toBeNull();
  const question = new MetricsQuestion(() => {
    throw new Error("The channel is closed.");
  });
  expect(await question.ask()).toBeNull();
});
