import type { Upstream } from "./upstream.ts";
import { type UpstreamCounts, type WatchedUpstream, watchUpstream } from "./watched-upstream.ts";

const none: readonly WatchedUpstream[] = [];

/** All upstreams, watched, in the order in which exits are looked for. */
export class UpstreamOrder {
  readonly #all: readonly WatchedUpstream[];
  readonly #byName: ReadonlyMap<string, readonly WatchedUpstream[]>;

  /** @param upstreams in the operator's order */
  constructor(upstreams: readonly Upstream[], clock: () => number) {
    this.#all = upstreams.map((upstream) => watchUpstream(upstream, { clock, settings: upstream.breaker }));
    this.#byName = Map.groupBy(this.#all, ({ name }) => name);
  }

  /** Those of a pool, which is an upstream by its name; all of them without one. */
  of(pool: string | undefined): readonly WatchedUpstream[] {
    return pool === undefined ? this.#all : (this.#byName.get(pool) ?? none);
  }

  /** How each upstream fares, by name. */
  states(): ReadonlyMap<string, "up" | "resting" | "on trial"> {
    return new Map(this.#all.map(({ name, health }) => [name, health?.state ?? "up"]));
  }

  /** How each upstream fares, and what became of the attempts. */
  counts(): UpstreamCounts[] {
    return this.#all.map(({ name, health, attempts: { reached, failed } }) => ({
      name,
      state: health?.state ?? "up",
      reached,
      failed: { ...failed },
    }));
  }
}
