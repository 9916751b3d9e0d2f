import type { Socket } from "node:net";
import { type RelayOutcome, relay } from "@atlantic/native";
import type { Flow } from "./flow.ts";
import { noFlowLimits } from "./flow-limits.ts";

/**
 * Relays a flow's bytes to the end and counts them. Calls `ended` when both sockets are closed.
 * @param options.early what the client said behind its request
 */
export function runTunnel(
  flow: Flow,
  client: Socket,
  upstream: Socket,
  { idleMs, ended, early }: { idleMs: number; ended: () => void; early?: Buffer },
): void {
  const running = relay(client, upstream, {
    idleMs,
    ...(early && { early }),
    ...(flow.limits !== noFlowLimits && { limits: flow.limits }),
  });
  flow.countWith(() => running.counters());
  flow.onCut((reason) => running.close(reason));
  running.closed.then((outcome) => {
    flow.finish(outcomeWord(outcome));
    ended();
  });
}

function outcomeWord(outcome: RelayOutcome): string {
  if (outcome.kind === "closed") return outcome.reason;
  return outcome.kind === "reset" ? `${outcome.by}_reset` : outcome.kind;
}
