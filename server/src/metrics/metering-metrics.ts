import { gauge, type MetricFamily } from "./metric-family.ts";

/** What a gateway's process has still to write, and what it holds of balances. Moments in ms since 1970. */
export interface MeteringState {
  readonly backlog: { readonly connections: number; readonly answeredAt: number };
  readonly leases: { readonly accounts: number; readonly bytes: number; readonly renewedAt: number };
}

export function meteringMetrics({ backlog, leases }: MeteringState): MetricFamily[] {
  return [
    gauge(
      "atlantic_usage_waiting_connections",
      "Connections whose first or last row is not written yet.",
      backlog.connections,
    ),
    gauge(
      "atlantic_usage_written_timestamp_seconds",
      "When the database last took usage, or answered while there was none to write.",
      backlog.answeredAt / 1_000,
    ),
    gauge("atlantic_leases_accounts", "Accounts out of whose balances leases are taken.", leases.accounts),
    gauge("atlantic_leases_left_bytes", "What is left of the leases that are held.", leases.bytes),
    gauge(
      "atlantic_leases_renewed_timestamp_seconds",
      "When leases were last renewed; what is metered stands still 25 seconds later.",
      leases.renewedAt / 1_000,
    ),
  ];
}
