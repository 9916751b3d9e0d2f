import { createHmac } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { openChangeFeed } from "./changes/change-feed.ts";
import type { Config } from "./config.ts";
import type { OpenDatabase } from "./db/open.ts";
import type { Endings } from "./endings.ts";
import type { CredentialVerifier } from "./gateway/credential.ts";
import { OpenProxyError } from "./gateway/limits/open-proxy-check.ts";
import { StoredCredentials } from "./gateway/stored-credentials.ts";
import { StoredSessions } from "./gateway/stored-sessions.ts";
import {
  buildUpstreams,
  ownExitsOf,
  readUpstreamsFile,
  type UpstreamsFile,
} from "./gateway/upstreams/configuration.ts";
import { readGatewayId } from "./gateway-id.ts";
import { openGatewayLimits } from "./gateway-limits.ts";
import { announceGateway } from "./gateway-presence.ts";
import { type GatewayTlsAddress, readGatewayTls } from "./gateway-tls.ts";
import type { PartHealth } from "./http/health.ts";
import { gatewayMetrics, gatewayUp } from "./metrics/gateway-metrics.ts";
import { meteringMetrics } from "./metrics/metering-metrics.ts";
import { labelled, type MetricFamily } from "./metrics/metric-family.ts";
import { remoteGateway } from "./remote-gateway.ts";
import type { Secrets } from "./secrets.ts";
import { storeLocations } from "./services/exits.ts";
import type { LiveGateway } from "./services/live-gateway.ts";
import type { GatewayAddress } from "./services/proxy.ts";
import { listenProblem, StartError } from "./start-error.ts";

/** The gateway as the rest of the server sees it. */
export interface GatewayPart {
  readonly live: LiveGateway;
  readonly verifier: CredentialVerifier;
  readonly address: () => GatewayAddress;
  /** The port where it speaks TLS; null when there is none. */
  readonly tls: GatewayTlsAddress | null;
  readonly demonstration: Demonstration | null;
  readonly health: () => PartHealth;
  /** What its processes have counted, each by its name. */
  readonly metrics: () => Promise<MetricFamily[]>;
  /** Takes no more connections and waits for those that are open, at most so long. */
  readonly drain: (deadlineMs: number) => Promise<void>;
}

/** The site on which the demonstration's exits can be told apart. */
interface Demonstration {
  readonly echoHost: string;
  /** Where it listens: a loopback address and its port. */
  readonly echoAddress: string;
}

interface Parts {
  readonly config: Config;
  readonly database: OpenDatabase;
  readonly secrets: Secrets;
  readonly log: Logger;
  readonly endings: Endings;
}

/** Starts the gateway, with its metering and the demonstration's echo site, when it is a role of this process. */
export async function startGatewayPart(parts: Parts): Promise<GatewayPart> {
  const { config, database, secrets } = parts;
  const verifier = new StoredCredentials({ db: database.db, key: Buffer.from(secrets.credentials, "hex") });
  if (!config.roles.has("gateway")) return elsewhere(parts, verifier);
  const demonstration = config.demonstration ? await openDemonstration(parts) : null;
  if (config.gateway.processes === 1) return startHere(parts, verifier, demonstration);
  return startProcesses(parts, verifier, demonstration);
}

/** The gateway in processes of its own, which share its port; this one keeps them alive. */
async function startProcesses(
  parts: Parts,
  verifier: StoredCredentials,
  demonstration: Demonstration | null,
): Promise<GatewayPart> {
  const { config, log, endings } = parts;
  const { startGatewayProcesses } = await import("./gateway-processes.ts");
  const echoAddress = demonstration?.echoAddress ?? null;
  const processes = endings.add(await startGatewayProcesses({ config, echoAddress, log }));
  return {
    ...(await elsewhere(parts, verifier)),
    tls: (await readGatewayTls(config, parts.secrets))?.address ?? null,
    address: () => ({ host: config.gateway.host, port: processes.port }),
    demonstration,
    health: processes.health,
    metrics: processes.metrics,
    drain: processes.drain,
  };
}

/** A process without a gateway of its own. */
async function elsewhere(
  { config, database, log, endings }: Parts,
  verifier: CredentialVerifier,
): Promise<GatewayPart> {
  const feed = endings.add(await openChangeFeed({ database, logger: log }));
  return {
    live: remoteGateway({ db: database.db, feed, verifier }),
    verifier,
    address: () => config.gateway,
    tls: null,
    demonstration: null,
    health: () => ({ state: "off", detail: "not a role of this process" }),
    metrics: async () => [],
    drain: async () => {},
  };
}

async function startHere(
  parts: Parts,
  verifier: StoredCredentials,
  demonstration: Demonstration | null,
): Promise<GatewayPart> {
  const { config, database, log, endings } = parts;
  const { db } = database;
  const [{ startGateway }, { startStoredUsage }, file, gatewayId] = await Promise.all([
    import("./gateway/gateway.ts"),
    import("./metering/stored-usage.ts"),
    readConfiguredUpstreams(config),
    readGatewayId(config.directory, config.gateway.process),
  ]);
  const upstreams = buildUpstreams(file);
  await storeLocations(db, uniqueById(upstreams.flatMap((upstream) => upstream.places)));
  endings.add(await announceGateway(db, gatewayId));
  const limits = endings.add(await openGatewayLimits({ database, gatewayId, logger: log }));
  const usage = endings.add(await startStoredUsage({ db, gatewayId, logger: log }));
  const tls = await readGatewayTls(config, parts.secrets);
  const { host, port } = config.gateway;
  const gateway = await startGateway({
    host,
    port,
    ...(tls && { tls: tls.options }),
    credentials: verifier,
    usage,
    flowLimits: limits.flowLimits,
    limits: { quotaStatus: config.gateway.quotaStatus },
    upstreams,
    targets: {
      allow: file.allowTargets,
      hosts: demonstration === null ? {} : { [`${demonstration.echoHost}:80`]: demonstration.echoAddress },
      ownPorts: [config.web.port],
      ownExits: ownExitsOf(file),
    },
    logger: log,
    reusePort: config.gateway.process !== null,
    sessionKey: sessionKey(parts.secrets),
    keepAlive: file.keepAlive || null,
    ...(config.gateway.process !== null && {
      sharedSessions: endings.add(new StoredSessions({ db, logger: log })),
    }),
  }).catch((error: unknown) => {
    throw gatewayListenProblem(error, config);
  });
  endings.add(gateway);
  endings.add(await limits.follow({ gateway, usage, credentials: verifier }));
  return {
    live: gateway,
    verifier,
    address: () => ({ host, port: gateway.port }),
    tls: tls && { ...tls.address, port: gateway.tls?.port ?? tls.address.port },
    demonstration,
    health: () => {
      const { listening, openConnections, problem, upstreams: states } = gateway.health();
      if (!listening || problem !== null) return { state: "down", detail: problem ?? "does not listen" };
      const resting = [...states].filter(([, state]) => state !== "up").map(([name]) => name);
      const alone = resting.length === 0 ? "" : `; left alone after failures: ${resting.join(", ")}`;
      return { state: "up", detail: `${openConnections} open connections${alone}` };
    },
    metrics: async () => {
      const { listening, problem } = gateway.health();
      return labelled(
        [
          gatewayUp(listening && problem === null),
          ...gatewayMetrics(gateway.counts()),
          ...meteringMetrics({ backlog: usage.backlog(), leases: limits.held() }),
        ],
        { process: processName(config.gateway) },
      );
    },
    drain: (deadlineMs) => gateway.drain(deadlineMs),
  };
}

/** What a process is called beside the others of its server. */
export function processName({ process: number }: Pick<Config["gateway"], "process">): string {
  return number === null ? "main" : String(number);
}

/** Either of the two ports may be taken. */
function gatewayListenProblem(error: unknown, { gateway: { port, tls } }: Config): unknown {
  if (error instanceof OpenProxyError) return new StartError(error.message);
  const taken = error instanceof Error && "port" in error ? error.port : port;
  return tls !== null && taken === tls.port && taken !== port
    ? listenProblem(error, tls.port, "ATLANTIC_GATEWAY_TLS_PORT")
    : listenProblem(error, port, "ATLANTIC_GATEWAY_PORT");
}

/** Sessions keep their exits over a restart; their key is another one than the credentials', and derived from it. */
function sessionKey(secrets: Secrets): Uint8Array {
  return createHmac("sha256", Buffer.from(secrets.credentials, "hex")).update("exit sessions").digest();
}

/** The upstreams of this machine's configuration; without a demonstration, without its exits. */
export async function readConfiguredUpstreams(
  config: Pick<Config, "directory" | "demonstration">,
): Promise<UpstreamsFile> {
  const file = await readUpstreamsFile(join(config.directory, "upstreams.json"));
  if (config.demonstration) return file;
  return { ...file, upstreams: file.upstreams.filter((upstream) => upstream.kind !== "local") };
}

/** One echo site serves all processes. */
async function openDemonstration({ config, endings }: Parts): Promise<Demonstration> {
  const { ECHO_HOST, startEchoSite } = await import("./demonstration/echo-site.ts");
  const { echoAddress } = config.gateway;
  if (echoAddress !== null) return { echoHost: ECHO_HOST, echoAddress };
  const site = endings.add(await startEchoSite());
  return { echoHost: ECHO_HOST, echoAddress: site.address };
}

/** Two upstreams may offer the same place; it is listed as the first has it. */
function uniqueById<Place extends { id: string }>(places: readonly Place[]): Place[] {
  return [...new Map(places.toReversed().map((place) => [place.id, place])).values()].toReversed();
}
