import { join } from "node:path";
import { migrateToLatest } from "@atlantic/migrations/migrate.ts";
import type { Config } from "./config.ts";
import { Endings } from "./endings.ts";
import { processName, startGatewayPart } from "./gateway-part.ts";
import type { PartHealth } from "./http/health.ts";
import { createLog } from "./log.ts";
import type { MetricFamily } from "./metrics/metric-family.ts";
import { watchProcess } from "./metrics/process-metrics.ts";
import { openConfiguredDatabase } from "./open-stores.ts";
import { readSecrets } from "./secrets.ts";

/** One of the processes that share the gateway's port. */
export interface GatewayProcess {
  readonly port: number;
  health(): PartHealth;
  metrics(): Promise<MetricFamily[]>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts a gateway and what it needs, without web page, API and worker.
 * @throws StartError with a sentence for people; what was started is ended then
 */
export async function startGatewayProcess(config: Config): Promise<GatewayProcess> {
  const endings = new Endings();
  try {
    const log = createLog(config.logLevel);
    const secrets = await readSecrets(join(config.directory, "secrets.json"));
    const database = endings.add(await openConfiguredDatabase(config));
    await migrateToLatest(database.db);
    const watched = endings.add(watchProcess(processName(config.gateway)));
    const gateway = await startGatewayPart({ config, database, secrets, log, endings });
    return {
      port: gateway.address().port,
      health: gateway.health,
      metrics: async () => [...(await watched.read()), ...(await gateway.metrics())],
      drain: () => gateway.drain(config.drainMs),
      close: () => endings.run(),
    };
  } catch (error) {
    await endings.run();
    throw error;
  }
}
