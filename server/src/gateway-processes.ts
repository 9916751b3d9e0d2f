import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { z } from "zod";
import type { Config } from "./config.ts";
import type { PartHealth } from "./http/health.ts";
import { gatewayUp } from "./metrics/gateway-metrics.ts";
import { counter, labelled, type MetricFamily, metricFamilySchema } from "./metrics/metric-family.ts";
import { MetricsQuestion } from "./metrics/metrics-question.ts";
import { listenProblem, StartError } from "./start-error.ts";

/** Several processes with a gateway each, on one port: the system spreads new connections over them. */
export interface GatewayProcesses {
  readonly port: number;
  health(): PartHealth;
  /** What each process tells of itself, by its number: it is asked now, and not for longer than two seconds. */
  metrics(): Promise<MetricFamily[]>;
  /** Every process takes no more connections; resolves when all have ended, having waited for what was open. */
  drain(): Promise<void>;
  /** Ends them at once, in order, and loses nothing that was counted. */
  close(): Promise<void>;
}

const messageSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ready"), gatewayPort: z.int() }),
  z.object({ kind: z.literal("failed"), sentence: z.string() }),
  z.object({ kind: z.literal("health"), state: z.enum(["up", "down"]), detail: z.string() }),
  z.object({ kind: z.literal("metrics"), families: z.array(metricFamilySchema) }),
]);

const entry = join(import.meta.dirname, "main.ts");
/** A process that dies is started again after this long, longer each time it dies young. */
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const OLD_ENOUGH_MS = 60_000;
/** How long a process may take beyond its draining before it is killed. */
const PATIENCE_MS = 15_000;

/**
 * @param echoAddress where the demonstration's echo site listens; null without a demonstration
 * @throws StartError when the port is taken or a process cannot start
 */
export async function startGatewayProcesses(parts: {
  config: Config;
  echoAddress: string | null;
  log: Logger;
}): Promise<GatewayProcesses> {
  const { config } = parts;
  await checkPortIsFree(config.gateway.host, config.gateway.port);
  const first = new SupervisedProcess(0, parts);
  const port = await first.start(config.gateway.port);
  const processes = [first];
  try {
    for (let index = 1; index < config.gateway.processes; index++) {
      const next = new SupervisedProcess(index, parts);
      processes.push(next);
      await next.start(port);
    }
  } catch (error) {
    await Promise.all(processes.map((each) => each.end("SIGINT")));
    throw error;
  }
  return {
    port,
    health: () => healthOf(processes),
    metrics: async () => (await Promise.all(processes.map((each) => each.metrics()))).flat(),
    drain: () => allEnded(processes, "SIGTERM"),
    close: () => allEnded(processes, "SIGINT"),
  };
}

async function allEnded(processes: readonly SupervisedProcess[], signal: NodeJS.Signals): Promise<void> {
  await Promise.all(processes.map((each) => each.end(signal)));
}

/** A shared port would be shared with strangers as well: whoever is there already must be found first. */
async function checkPortIsFree(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (error) => reject(listenProblem(error, port, "ATLANTIC_GATEWAY_PORT")));
    probe.listen({ host, port, exclusive: true }, resolve);
  });
  await new Promise((resolve) => probe.close(resolve));
}

function healthOf(processes: readonly SupervisedProcess[]): PartHealth {
  const down = processes.filter(({ health }) => health.state !== "up");
  const detail = processes.map(({ index, health }) => `process ${index}: ${health.detail}`).join("; ");
  return { state: down.length === 0 ? "up" : "down", detail };
}

/** One of the processes, started again whenever it dies. */
class SupervisedProcess {
  readonly index: number;
  readonly #parts: { readonly config: Config; readonly echoAddress: string | null; readonly log: Logger };
  #child: ChildProcess | undefined;
  #port = 0;
  #ending = false;
  #deaths = 0;
  #restarts = 0;
  readonly #metrics = new MetricsQuestion((question) => {
    // Without a callback a channel that breaks is an error of the process, which nobody listens for.
    this.#child?.send(question, (error) => {
      if (error) this.#metrics.answered(null);
    });
  });
  health: { readonly state: "up" | "down"; readonly detail: string } = { state: "down", detail: "starting" };

  constructor(index: number, parts: { config: Config; echoAddress: string | null; log: Logger }) {
    this.index = index;
    this.#parts = parts;
  }

  /** @returns the port it listens on; @throws StartError with the process's own sentence */
  async start(port: number): Promise<number> {
    const child = fork(entry, {
      env: this.#environment(port),
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child = child;
    const startedAt = performance.now();
    this.#port = await this.#untilReady(child);
    child.once("exit", (code, signal) => {
      this.#metrics.answered(null);
      this.health = { state: "down", detail: `ended (${signal ?? `exit code ${code}`})` };
      if (this.#ending) return;
      this.#parts.log.error({ process: this.index, code, signal }, "a gateway process ended unexpectedly");
      this.#deaths = performance.now() - startedAt > OLD_ENOUGH_MS ? 1 : this.#deaths + 1;
      void this.#startAgain();
    });
    return this.#port;
  }

  /** Its counters begin again with it: a sum over processes must be made of rates, as Prometheus makes it. */
  async metrics(): Promise<MetricFamily[]> {
    const told = this.#child?.connected ? await this.#metrics.ask() : null;
    const restarts = counter(
      "atlantic_gateway_process_restarts_total",
      "How often the process had to be started again.",
      this.#restarts,
    );
    const own = told === null ? [restarts, gatewayUp(false)] : [restarts];
    return [...labelled(own, { process: String(this.index) }), ...(told ?? [])];
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#ending = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const patience = PATIENCE_MS + (signal === "SIGTERM" ? this.#parts.config.drainMs : 0);
    const killer = setTimeout(() => child.kill("SIGKILL"), patience);
    await gone;
    clearTimeout(killer);
  }

  #environment(port: number): NodeJS.ProcessEnv {
    return {
      ...process.env,
      ATLANTIC_ROLES: "gateway",
      ATLANTIC_GATEWAY_PROCESS: String(this.index),
      ATLANTIC_GATEWAY_PORT: String(port),
      ATLANTIC_FIRST_ACCOUNT: "",
      // They have no page to show metrics on.
      ATLANTIC_METRICS_TOKEN: "",
      ATLANTIC_ECHO_ADDRESS: this.#parts.echoAddress ?? "",
    };
  }

  #untilReady(child: ChildProcess): Promise<number> {
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(
          new StartError(`A gateway process ended before it was ready (${signal ?? `exit code ${code}`}).`),
        ),
      );
      child.on("message", (raw) => {
        const message = messageSchema.safeParse(raw).data;
        if (message?.kind === "ready") resolve(message.gatewayPort);
        else if (message?.kind === "failed") reject(new StartError(message.sentence));
        else if (message?.kind === "health") this.health = message;
        else if (message?.kind === "metrics") this.#metrics.answered(message.families);
      });
    });
  }

  async #startAgain(): Promise<void> {
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#deaths - 1));
    await sleep(delay, undefined, { ref: false });
    if (this.#ending) return;
    this.#restarts += 1;
    await this.start(this.#port).catch((error: unknown) => {
      this.#parts.log.error({ err: error, process: this.index }, "a gateway process cannot be started again");
      this.#deaths += 1;
      void this.#startAgain();
    });
  }
}
