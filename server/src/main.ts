import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { type Config, readConfig } from "./config.ts";
import { asksForMetrics } from "./metrics/metrics-question.ts";
import { openFileWarning } from "./open-file-warning.ts";
import { readyInWords } from "./ready-in-words.ts";
import { startServer } from "./server.ts";
import { startSentence } from "./start-error.ts";

/**
 * The young generation is collected by the thread that fills it. V8's helpers wake, spin and wait for one another for
 * what is a millisecond's work; where a process has one core nothing is won by them, and other work is held up.
 */
setFlagsFromString("--no-parallel-scavenge");

/** How often one of several gateway processes says how it is. */
const HEALTH_MS = 1_000;

/** What this process runs. */
interface Running {
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Tells the process that started this one, where one did. */
function tell(message: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, () => resolve());
  });
}

/** SIGTERM lets what is open end by itself for a while; SIGINT, or a second signal, does not wait. */
function endWith(running: Running): void {
  let closing = false;
  const close = () => {
    if (closing) return;
    closing = true;
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${startSentence(error)}\n`);
        process.exit(1);
      },
    );
  };
  let draining = false;
  process.on("SIGTERM", () => {
    if (draining) return close();
    draining = true;
    running.drain().then(close, close);
  });
  process.on("SIGINT", close);
  process.on("disconnect", close);
}

async function runServer(config: Config): Promise<void> {
  const server = await startServer(config);
  endWith(server);
  const warning = await openFileWarning(join(config.directory, "upstreams.json"));
  if (warning !== null) process.stderr.write(`${warning}\n`);
  if (process.send === undefined) process.stdout.write(readyInWords(server, process.stdout.isTTY));
  await tell({
    kind: "ready",
    webUrl: server.webUrl,
    gatewayHost: server.gateway.host,
    gatewayPort: server.gateway.port,
    gatewayTls: server.gatewayTls,
    signInUrl: server.signInUrl,
    credential: server.credential,
    demonstration: server.demonstration,
  });
}

async function runGatewayProcess(): Promise<void> {
  const { startGatewayProcess } = await import("./gateway-process.ts");
  const gateway = await startGatewayProcess(readConfig(process.env));
  endWith(gateway);
  setInterval(() => void tell({ kind: "health", ...gateway.health() }), HEALTH_MS).unref();
  process.on("message", (message) => {
    if (!asksForMetrics(message)) return;
    // Who asked goes on without them.
    gateway.metrics().then(
      (families) => tell({ kind: "metrics", families }),
      () => {},
    );
  });
  await tell({ kind: "health", ...gateway.health() });
  await tell({ kind: "ready", gatewayPort: gateway.port });
}

/** On the machine of an exit, where there is nothing else. */
async function runExit(config: Config): Promise<void> {
  const { startExit } = await import("./exit-part.ts");
  const exit = await startExit(config);
  endWith({ close: () => exit.close(), drain: () => exit.close() });
  if (process.send === undefined) process.stdout.write(`Ready. Exit at ${exit.host}:${exit.port}.\n`);
  await tell({ kind: "ready", exitHost: exit.host, exitPort: exit.port });
}

async function run(): Promise<void> {
  if (process.env.ATLANTIC_GATEWAY_PROCESS) return runGatewayProcess();
  const config = readConfig(process.env);
  await (config.roles.has("exit") ? runExit(config) : runServer(config));
}

try {
  await run();
} catch (error) {
  const sentence = startSentence(error);
  if (process.send === undefined) process.stderr.write(`${sentence}\n`);
  await tell({ kind: "failed", sentence });
  process.exit(1);
}
