import { join } from "node:path";
import { migrateToLatest } from "@atlantic/migrations/migrate.ts";
import type { Logger } from "pino";
import { createAuth } from "./auth/auth.ts";
import { SessionReader } from "./auth/session-reader.ts";
import type { Cache } from "./cache/cache.ts";
import type { Config } from "./config.ts";
import type { OpenDatabase } from "./db/open.ts";
import { Endings } from "./endings.ts";
import { openFirstAccount } from "./first-account.ts";
import { readUpstreamsFile } from "./gateway/upstreams/configuration.ts";
import { type GatewayPart, startGatewayPart } from "./gateway-part.ts";
import type { GatewayTlsAddress } from "./gateway-tls.ts";
import { createApp } from "./http/app.ts";
import type { HealthCheck, PartHealth } from "./http/health.ts";
import { listen, type WebServer } from "./http/listen.ts";
import { createLog } from "./log.ts";
import { configuredProviders } from "./metering/reconciliation/configured-providers.ts";
import { reconciliationHealth } from "./metering/reconciliation/reconciliation-health.ts";
import { gatherMetrics } from "./metrics/gather-metrics.ts";
import type { MetricsSource } from "./metrics/metric-family.ts";
import { watchProcess } from "./metrics/process-metrics.ts";
import { buildMetrics, reconciliationMetrics, workerMetrics } from "./metrics/server-metrics.ts";
import { metricsText } from "./metrics/text-format.ts";
import { openConfiguredCache, openConfiguredDatabase } from "./open-stores.ts";
import { readSecrets, type Secrets } from "./secrets.ts";
import { createServices } from "./services/services.ts";
import { listenProblem } from "./start-error.ts";
import { trialSite } from "./trial-site.ts";
import { openUpstreamExplainer } from "./upstream-explainer.ts";
import type { Job } from "./worker/job.ts";
import { jobsWith } from "./worker/jobs.ts";
import { startWorker, type Worker } from "./worker/worker.ts";

/** What a started server tells. */
export interface RunningServer {
  /** The address for people. */
  readonly webUrl: string;
  readonly webPort: number;
  readonly gateway: { readonly host: string; readonly port: number };
  /** The port where the gateway speaks TLS; null when there is none. */
  readonly gatewayTls: GatewayTlsAddress | null;
  /** Signs the first account in, once; null when there is no first account. */
  readonly signInUrl: string | null;
  readonly credential: { readonly username: string; readonly password: string } | null;
  readonly demonstration: { readonly echoHost: string; readonly echoAddress: string } | null;
  /** Takes no more connections and waits for those that are open, for as long as the configuration allows. */
  drain(): Promise<void>;
  /** Ends every part, in the order that loses nothing. Calling it again waits for the same end. */
  close(): Promise<void>;
}

/**
 * Starts the server: the one place that builds its parts and puts them together.
 *
 * @throws StartError, ConfigError or DirectoryInUseError with a sentence for people; what was started is ended then.
 */
export async function startServer(config: Config): Promise<RunningServer> {
  const endings = new Endings();
  try {
    return await start(config, endings);
  } catch (error) {
    await endings.run();
    throw error;
  }
}

async function start(config: Config, endings: Endings): Promise<RunningServer> {
  const log = createLog(config.logLevel);
  const listener = endings.add(await listenForWeb(config));
  const secrets = await readSecrets(join(config.directory, "secrets.json"));
  const database = endings.add(await openConfiguredDatabase(config));
  await migrateToLatest(database.db);
  const cache = endings.add(await openConfiguredCache(config));
  const gateway = await startGatewayPart({ config, database, secrets, log, endings });
  const worker = config.roles.has("worker")
    ? endings.add(startWorker({ database, jobs: jobsFor(config), log }))
    : null;
  const health = healthChecks({ database, cache, gateway, worker });
  const watched = endings.add(watchProcess("main"));
  const build = await buildMetrics();
  const metrics: Record<string, MetricsSource> = {
    build: () => build,
    process: watched.read,
    gateway: gateway.metrics,
    worker: () => workerMetrics(worker?.health() ?? OFF),
    books: () => reconciliationMetrics(database.db),
  };
  const web = await startWeb({ config, database, secrets, cache, gateway, log, health, metrics, listener });
  // Once more, as the last: ending begins with taking no more requests.
  endings.add(listener);
  return {
    ...web,
    webPort: listener.port,
    gateway: gateway.address(),
    gatewayTls: gateway.tls,
    demonstration: gateway.demonstration,
    drain: () => gateway.drain(config.drainMs),
    close: () => endings.run(),
  };
}

function listenForWeb(config: Config): Promise<WebServer> {
  return listen(config.web).catch((error: unknown) => {
    throw listenProblem(error, config.web.port, "ATLANTIC_WEB_PORT");
  });
}

async function startWeb(parts: {
  config: Config;
  database: OpenDatabase;
  secrets: Secrets;
  cache: Cache;
  gateway: GatewayPart;
  log: Logger;
  health: Record<string, HealthCheck>;
  metrics: Record<string, MetricsSource>;
  listener: WebServer;
}): Promise<Pick<RunningServer, "webUrl" | "signInUrl" | "credential">> {
  const { config, database, secrets, cache, gateway, log } = parts;
  const { db } = database;
  const credentialKey = Buffer.from(secrets.credentials, "hex");
  const webUrl = config.web.url ?? `http://localhost:${parts.listener.port}`;
  const sessions = new SessionReader();
  const auth = createAuth({
    db,
    cache,
    secret: secrets.auth,
    webUrl,
    signUp: config.signUp,
    onSessionsChanged: () => sessions.forgetAll(),
    log: (level, message) => log[level === "error" ? "error" : "debug"](message),
  });
  const services = createServices({
    db,
    credentialKey,
    gateway: gateway.live,
    gatewayAddress: gateway.address,
    now: () => new Date(),
    explainUpstreams: await openUpstreamExplainer(config),
    trialSite: await trialSite(config, gateway.demonstration),
  });
  const app = createApp({
    auth,
    sessions,
    cache,
    verifier: gateway.verifier,
    services,
    health: parts.health,
    metrics: {
      token: config.metricsToken,
      read: async () => metricsText(await gatherMetrics(parts.metrics, log)),
    },
    log,
    webUrl,
    https: webUrl.startsWith("https:"),
    trustedProxies: config.trustedProxies,
    page: config.web.page,
  });
  const first = config.firstAccount
    ? await openFirstAccount({ db, auth, credentialKey, directory: config.directory })
    : null;
  parts.listener.serve(app.callback());
  return {
    webUrl,
    signInUrl: first === null ? null : `${webUrl}/sign-in/once#${first.signInToken}`,
    credential: first?.credential ?? null,
  };
}

const OFF: PartHealth = { state: "off", detail: "not a role of this process" };

function jobsFor(config: Config): readonly Job[] {
  return jobsWith(async () =>
    configuredProviders(await readUpstreamsFile(join(config.directory, "upstreams.json"))),
  );
}

function healthChecks(parts: {
  database: OpenDatabase;
  cache: Cache;
  gateway: GatewayPart;
  worker: Worker | null;
}): Record<string, HealthCheck> {
  return {
    database: async () => {
      await parts.database.runRaw("select 1");
      return { state: "up", detail: parts.database.kind };
    },
    gateway: parts.gateway.health,
    books: () => reconciliationHealth(parts.database.db),
    worker: () => parts.worker?.health() ?? OFF,
    cache: async () => {
      await parts.cache.ping();
      return { state: "up", detail: parts.cache.kind };
    },
  };
}
