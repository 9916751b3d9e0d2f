import { join } from "node:path";
import type { Config } from "./config.ts";
import { readExitFile } from "./gateway/exit-role/exit-configuration.ts";
import { type ExitServer, startExitServer } from "./gateway/exit-role/exit-server.ts";
import { createLog } from "./log.ts";
import { listenProblem, StartError } from "./start-error.ts";

/**
 * Starts this machine as an exit for our own gateways: it needs `exit.json`, and no database.
 * @throws StartError
 */
export async function startExit(
  config: Pick<Config, "directory" | "exit" | "logLevel">,
): Promise<ExitServer> {
  const file = await readExitFile(join(config.directory, "exit.json")).catch((error: Error) => {
    throw new StartError(error.message);
  });
  const logger = createLog(config.logLevel);
  return startExitServer({ ...config.exit, file, logger }).catch((error: unknown) => {
    throw listenProblem(error, config.exit.port, "ATLANTIC_EXIT_PORT");
  });
}
