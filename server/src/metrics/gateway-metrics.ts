import type { EndedCount } from "../gateway/gateway-tally.ts";
import type { GatewayCounts } from "../gateway/options.ts";
import type { UpstreamCounts } from "../gateway/upstreams/watched-upstream.ts";
import { errorReasons } from "./error-reason.ts";
import { by, counter, gauge, type MetricFamily, type Sample } from "./metric-family.ts";
import { outcomeLabel } from "./outcome-label.ts";

/** What a gateway's process carries and has carried. */
export function gatewayMetrics(counts: GatewayCounts): MetricFamily[] {
  const { open, ended, totals, errors, turnedAway } = counts;
  return [
    gauge(
      "atlantic_gateway_open_connections",
      "Connections that are open, by protocol.",
      by("protocol", open),
    ),
    counter(
      "atlantic_gateway_connections_total",
      "Connections that have ended, by protocol and outcome: a word of ours, or a code of the error table.",
      endedSamples(ended),
    ),
    counter(
      "atlantic_gateway_requests_total",
      "Requests: each one that is forwarded, and one for each tunnel.",
      totals.requests,
    ),
    counter(
      "atlantic_gateway_bytes_total",
      "Bytes that exits carried and that are charged, seen from the client.",
      by("direction", { sent: totals.sentBytes, received: totals.receivedBytes }),
    ),
    counter(
      "atlantic_gateway_uncharged_bytes_total",
      "Bytes of attempts that failed by our or an upstream's fault.",
      by("direction", { sent: totals.unchargedSentBytes, received: totals.unchargedReceivedBytes }),
    ),
    counter(
      "atlantic_gateway_tls_bytes_total",
      "Bytes that clients' TLS had on the wire beyond what it carried, both directions.",
      totals.tlsBytes,
    ),
    counter(
      "atlantic_gateway_errors_total",
      "Errors that clients were told, by reason and code of the error table.",
      errorSamples(errors),
    ),
    counter(
      "atlantic_gateway_turned_away_total",
      "Connections that were closed unheard, because their address has too many.",
      turnedAway,
    ),
    ...upstreamMetrics(counts.upstreams),
  ];
}

/** Whether a process's gateway lets clients in and can write what they use. */
export function gatewayUp(up: boolean): MetricFamily {
  return gauge(
    "atlantic_gateway_up",
    "Whether the gateway lets clients in and can write what they use: 0, and /health says why.",
    up ? 1 : 0,
  );
}

/** A clean end is there from the beginning, so that the first one is seen as a rise; the others once they happen. */
function endedSamples(ended: readonly EndedCount[]): Sample[] {
  const sums = new Map(["http", "connect", "socks5"].map((protocol) => [`${protocol} ended`, 0]));
  for (const { protocol, outcome, connections } of ended) {
    const key = `${protocol} ${outcomeLabel(outcome)}`;
    sums.set(key, (sums.get(key) ?? 0) + connections);
  }
  return [...sums].map(([key, value]) => {
    const [protocol = "", outcome = ""] = key.split(" ");
    return { labels: { protocol, outcome }, value };
  });
}

/** All of them, from 0: alarms are about the first one as well. */
function errorSamples(errors: ReadonlyMap<string, number>): Sample[] {
  return Object.entries(errorReasons).map(([code, reason]) => ({
    labels: { reason, code },
    value: errors.get(code) ?? 0,
  }));
}

const states = ["up", "resting", "on trial"] as const;

function upstreamMetrics(upstreams: readonly UpstreamCounts[]): MetricFamily[] {
  return [
    counter(
      "atlantic_upstream_attempts_total",
      "Attempts to reach a target, by upstream and result: reached, or whose fault it was that it was not.",
      upstreams.flatMap(({ name, reached, failed }) =>
        by("result", {
          reached,
          failed_upstream: failed.ill,
          failed_unclear: failed.doubtful,
          failed_target: failed.well,
          given_up: failed.nothing,
        }).map(({ labels, value }) => ({ labels: { upstream: name, ...labels }, value })),
      ),
    ),
    gauge(
      "atlantic_upstream_state",
      "1 for the state an upstream is in: up, resting after failures, or on trial.",
      upstreams.flatMap(({ name, state }) =>
        states.map((one) => ({
          labels: { upstream: name, state: one.replace(" ", "_") },
          value: one === state ? 1 : 0,
        })),
      ),
    ),
  ];
}
