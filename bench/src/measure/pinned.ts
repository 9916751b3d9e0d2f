import { availableParallelism } from "node:os";

/** The cores of the gateway benches: the proxy has one for itself, load and origin share the other. */
export const LOAD_CORE = 0;
export const PROXY_CORE = 1;

/** Why nothing can be pinned here; undefined when it can. */
export function pinningProblem(): string | undefined {
  if (process.platform !== "linux") return "Cores are assigned by taskset, which is Linux's.";
  if (availableParallelism() < 2) return "The load would share the proxy's core: two cores are needed.";
  return undefined;
}

/** The program and arguments that run `argv`, and all that it starts, on one core; on any where it is null. */
export function pinned(core: number | null, argv: readonly [string, ...string[]]): [string, string[]] {
  const [program, ...rest] = argv;
  if (core === null) return [program, rest];
  return ["taskset", ["--cpu-list", String(core), ...argv]];
}
