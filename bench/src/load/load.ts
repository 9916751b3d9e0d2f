import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { run } from "@atlantic/lab/src/net/run.ts";
import { z } from "zod";
import { pinned } from "../measure/pinned.ts";

/** How the load gets to the origin. */
export type Way =
  | { readonly kind: "direct" }
  /** `name` is what the proxy is asked for, as host:port. */
  | {
      readonly kind: "forward" | "connect" | "socks5";
      readonly port: number;
      readonly name: string;
      readonly credential: Credential | null;
    }
  /** A relay that leads to the origin and nowhere else, and that nobody asks for anything. */
  | { readonly kind: "relay"; readonly port: number }
  /** A server of its own, asked for one path. */
  | {
      readonly kind: "server";
      readonly port: number;
      readonly path: string;
      readonly fields: readonly string[];
    };

export interface Credential {
  readonly username: string;
  readonly password: string;
}

/** What the load prints of one run. */
export const timedSchema = z.object({
  count: z.int(),
  failures: z.int(),
  lastFailure: z.string(),
  seconds: z.number().positive(),
  p50Micros: z.number(),
  p99Micros: z.number(),
});
export type TimedRun = z.infer<typeof timedSchema>;

export const bulkSchema = z.object({ bytes: z.int(), seconds: z.number().positive() });
type BulkRun = z.infer<typeof bulkSchema>;

/** The load generator, with an origin that runs until `close`, both on one core. */
export interface Load {
  /** Of the origin, on 127.0.0.1. */
  readonly originPort: number;
  /** Keep-alive requests, or a connection or tunnel and one request each. Throws when any failed. */
  timed(
    kind: "requests" | "connections",
    way: Way,
    options: { seconds: number; threads: number },
  ): Promise<TimedRun>;
  /** Keep-alive requests at a steady rate; latencies count from the moment when each was due. Throws when any failed. */
  paced(way: Way, options: { seconds: number; threads: number; perSecond: number }): Promise<TimedRun>;
  /** Opens tunnels, lets each carry a request, and holds them until `release`. */
  hold(way: Way, count: number): Promise<{ release(): Promise<void> }>;
  /**
   * Opens so many tunnels a second and keeps the latest `count` open; each carries a request when it is opened and
   * another before it is closed. Latencies are those of opening with the first request. Throws when any failed.
   */
  turnover(way: Way, options: { seconds: number; count: number; perSecond: number }): Promise<TimedRun>;
  /** So many bytes over one connection or tunnel. */
  bulk(way: Way, bytes: number, direction: "down" | "up"): Promise<BulkRun>;
  close(): Promise<void>;
}

/** Beyond the seconds that a run is asked to take. */
const PATIENCE_MS = 120_000;

/** Starts the origin; the load itself is a process for each run. */
export async function startLoad(program: string, core: number): Promise<Load> {
  const origin = spawn(...pinned(core, [program, "origin"]), { stdio: ["pipe", "pipe", "inherit"] });
  const originPort = await firstNumber(origin);
  const execute = async (argv: readonly string[], way: Way, seconds = 0) => {
    const { code, stdout, stderr } = await run(pinned(core, [program, ...argv]).flat(), {
      timeoutMs: PATIENCE_MS + seconds * 1_000,
      env: variables(way),
    });
    if (code !== 0) throw new Error(`The load failed: ${stderr.trim()}`);
    return JSON.parse(stdout);
  };
  const timed = async (kind: string, way: Way, numbers: readonly number[], seconds: number) => {
    const argv = [kind, ...wayArguments(way, originPort), ...numbers.map(String)];
    const result = timedSchema.parse(await execute(argv, way, seconds));
    if (result.failures > 0) {
      throw new Error(
        `${result.failures} of ${result.count + result.failures} failed: ${result.lastFailure}`,
      );
    }
    return result;
  };
  return {
    originPort,
    timed: (kind, way, { seconds, threads }) => timed(kind, way, [seconds, threads], seconds),
    paced: (way, { seconds, threads, perSecond }) =>
      timed("paced", way, [seconds, threads, perSecond], seconds),
    turnover: (way, { seconds, count, perSecond }) =>
      timed("turnover", way, [seconds, count, perSecond], seconds),
    async hold(way, count) {
      const argv = ["hold", ...wayArguments(way, originPort), String(count)];
      const child = spawn(...pinned(core, [program, ...argv]), {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, ...variables(way) },
      });
      await firstNumber(child);
      return {
        async release() {
          const gone = once(child, "exit");
          child.stdin?.end();
          await gone;
        },
      };
    },
    async bulk(way, bytes, direction) {
      return bulkSchema.parse(
        await execute(["bulk", ...wayArguments(way, originPort), String(bytes), direction], way),
      );
    },
    async close() {
      const gone = once(origin, "exit");
      origin.kill("SIGKILL");
      await gone;
    },
  };
}

function wayArguments(way: Way, originPort: number): string[] {
  if (way.kind === "direct") return ["direct", `127.0.0.1:${originPort}`];
  if (way.kind === "relay" || way.kind === "server") return ["direct", `127.0.0.1:${way.port}`];
  return [way.kind, `127.0.0.1:${way.port}`, way.name];
}

function variables(way: Way): Record<string, string> {
  const credential = "credential" in way ? way.credential : null;
  const request = way.kind === "server" ? { LOAD_PATH: way.path, LOAD_FIELDS: way.fields.join("\n") } : {};
  return {
    LOAD_USERNAME: credential?.username ?? "",
    LOAD_PASSWORD: credential?.password ?? "",
    ...request,
  };
}

async function firstNumber(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error("The load has no output.");
  for await (const chunk of child.stdout)
    return z.coerce.number().int().positive().parse(String(chunk).trim());
  throw new Error("The load ended before it said its number.");
}
