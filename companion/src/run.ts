import { flushCompileCache } from "node:module";
import { pino } from "pino";
import { ClearError } from "./clear-error.ts";
import { type RunningCompanion, startCompanion } from "./companion.ts";
import { readConfig } from "./config.ts";
import { type CompanionPaths, ownPaths } from "./data-paths.ts";
import { pairingBlock } from "./pairing/announce-pairing.ts";
import { ServiceManager } from "./service/service-manager.ts";

const log = pino(
  { level: process.env.ATLANTIC_LOG ?? "warn", base: { part: "companion" } },
  pino.destination(2),
);
process.title = "atlantic-companion";

try {
  const paths = ownPaths();
  const manager = ServiceManager.of(paths.isService ? process.env : {});
  run(await start(paths, manager), manager);
} catch (error) {
  fail(error);
}

async function start(paths: CompanionPaths, manager: ServiceManager): Promise<RunningCompanion> {
  const config = readConfig(paths.config);
  return startCompanion({
    config,
    paths,
    log,
    announcePairing: (request) => void process.stdout.write(pairingBlock(request)),
    restart: () => process.exit(1),
    stands: (protection) => manager.stands(protection),
  });
}

function run(companion: RunningCompanion, manager: ServiceManager): void {
  const { proxyPort, controlSocket } = companion;
  flushCompileCache();
  process.send?.({ kind: "ready", proxyPort, controlSocket });
  let isEnding = false;
  const end = () => {
    if (isEnding) return;
    isEnding = true;
    manager.stops();
    companion.close().then(() => process.exit(0), fail);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("disconnect", end);
}

function fail(error: unknown): void {
  if (!(error instanceof ClearError)) log.fatal({ err: error }, "The companion failed");
  const sentence = error instanceof ClearError ? error.message : "The companion failed; its log says why.";
  process.exitCode = 1;
  if (process.send) process.send({ kind: "failed", sentence }, () => process.exit());
  else process.stderr.write(`${sentence}\n`, () => process.exit());
}
