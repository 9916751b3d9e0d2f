import { proxyErrors } from "@atlantic/shared/errors.ts";
import { expect, test } from "vitest";
import type { GatewayCounts } from "../gateway/options.ts";
import { NO_TOTALS } from "../metering/usage-recorder.ts";
import { gatewayMetrics } from "./gateway-metrics.ts";
import { parseMetrics } from "./testing/parse-metrics.ts";
import { metricsText } from "./text-format.ts";

const nothing: GatewayCounts = {
  open: { http: 0, connect: 0, socks5: 0 },
  ended: [],
  totals: NO_TOTALS,
  errors: new Map(),
  upstreams: [],
  turnedAway: 0,
};

const read = (counts: Partial<GatewayCounts>) =>
  parseMetrics(metricsText(gatewayMetrics({ ...nothing, ...counts })));

test("every code of the error table is there from 0, so that the first error is seen to rise", () => {
  const codes = read({}).samples.filter(({ name }) => name === "atlantic_gateway_errors_total");
  expect(codes.map(({ labels }) => labels.code).sort()).toEqual(Object.keys(proxyErrors).sort());
  expect(codes.every(({ value }) => value === 0)).toBe(true);
});

test("outcomes are a closed list: what nobody has put there is summed under one word", () => {
  const ended = ["ended", "made up", "made up too", "internal"].map((outcome, at) => ({
    protocol: "connect" as const,
    outcome,
    connections: 10 ** at,
  }));
  const connections = (outcome: string) =>
    read({ ended }).sum("atlantic_gateway_connections_total", { protocol: "connect", outcome });
  expect(["ended", "other", "internal"].map(connections)).toEqual([1, 110, 1_000]);
});

test("an upstream is in one state, and its attempts add up", () => {
  const failed = { ill: 3, doubtful: 2, well: 5, nothing: 1 };
  const counts = read({ upstreams: [{ name: "lisbon", state: "on trial", reached: 7, failed }] });
  expect(counts.sum("atlantic_upstream_state", { upstream: "lisbon" })).toBe(1);
  expect(counts.sum("atlantic_upstream_state", { upstream: "lisbon", state: "on_trial" })).toBe(1);
  expect(counts.sum("atlantic_upstream_attempts_total", { upstream: "lisbon" })).toBe(18);
  expect(counts.sum("atlantic_upstream_attempts_total", { result: "failed_upstream" })).toBe(3);
});
