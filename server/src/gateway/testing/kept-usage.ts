import type { MeteredConnection, UsageRecorder } from "../../metering/usage-recorder.ts";

/** Keeps the connections that were opened, for looking at their totals; every account may open more. */
export function keptUsage(): UsageRecorder & { readonly connections: readonly MeteredConnection[] } {
  const connections: MeteredConnection[] = [];
  return {
    connections,
    open: (connection) => void connections.push(connection),
    mayOpen: () => true,
    onUsage: () => () => {},
    flush: async () => {},
    problem: () => null,
    close: async () => {},
  };
}
