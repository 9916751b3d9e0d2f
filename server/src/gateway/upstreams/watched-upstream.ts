import type { ChosenExit, Upstream } from "./upstream.ts";
import { type BreakerSettings, type Finding, UpstreamHealth } from "./upstream-health.ts";

/** An upstream with what flows have told of it. */
export interface WatchedUpstream {
  readonly name: string;
  /** Undefined where there is nothing that could fail by itself: exits of this machine. */
  readonly health: UpstreamHealth | undefined;
  /** What became of the attempts to reach a target by it; counted by routes. */
  readonly attempts: Attempts;
  readonly choose: (...wish: Parameters<Upstream["choose"]>) => ChosenExit | undefined;
}

interface Attempts {
  /** The target was reached. */
  reached: number;
  /** It was not, by what that tells of the upstream. */
  readonly failed: Record<Finding, number>;
}

/** How an upstream of the configuration fares, and what became of the attempts so far. */
export interface UpstreamCounts {
  readonly name: string;
  readonly state: "up" | "resting" | "on trial";
  readonly reached: number;
  readonly failed: Readonly<Record<Finding, number>>;
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
    attempts: { reached: 0, failed: { ill: 0, doubtful: 0, well: 0, nothing: 0 } },
    choose: (exit, session) => upstream.choose(exit, session),
  };
}
