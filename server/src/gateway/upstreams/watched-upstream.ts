import type { ChosenExit, Upstream } from "./upstream.ts";
import { type BreakerSettings, UpstreamHealth } from "./upstream-health.ts";

/** An upstream with what flows have told of it. */
export interface WatchedUpstream {
  readonly name: string;
  /** Undefined where there is nothing that could fail by itself: exits of this machine. */
  readonly health: UpstreamHealth | undefined;
  readonly choose: (...wish: Parameters<Upstream["choose"]>) => ChosenExit | undefined;
}

/** Watches an upstream from now on. */
export function watchUpstream(
  upstream: Upstream,
  { clock, settings }: { clock: () => number; settings?: BreakerSettings | undefined },
): WatchedUpstream {
  const { name, probe } = upstream;
  return {
    name,
    health: probe && new UpstreamHealth({ probe: () => probe(), clock, ...(settings && { settings }) }),
    choose: (exit, session) => upstream.choose(exit, session),
  };
}
