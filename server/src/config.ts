import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "./config-error.ts";
import { type Environment, type Role, readEnvironment } from "./environment.ts";
import type { CertificateFiles } from "./gateway/tls/certificate.ts";

/** Where the gateway listens, and in how many processes. */
interface GatewayConfig {
  readonly host: string;
  readonly port: number;
  /** The port where it speaks TLS; null when there is none. */
  readonly tls: GatewayTlsConfig | null;
  /** What HTTP clients are told when their account's traffic is used up. */
  readonly quotaStatus: 403 | 407;
  /** How many processes share the port. */
  readonly processes: number;
  /** Which of them this one is; null for the one that starts them, or the only one. */
  readonly process: number | null;
  /** Where the demonstration's echo site listens already; null when it is to be started here. */
  readonly echoAddress: string | null;
}

interface GatewayTlsConfig {
  readonly port: number;
  /** Null: a certificate that the gateway makes and signs itself, for a first try. */
  readonly files: CertificateFiles | null;
}

/** How this server is set up. */
export interface Config {
  readonly roles: ReadonlySet<Role>;
  /** The server's own directory in the data directory. */
  readonly directory: string;
  readonly web: {
    readonly host: string;
    readonly port: number;
    /** The address people type, when it is not http://localhost:port. */
    readonly url: string | null;
    /** Where the built web page lies. */
    readonly page: string;
  };
  readonly gateway: GatewayConfig;
  /** How long tunnels and answers under way may go on after the server was asked to end, in milliseconds. */
  readonly drainMs: number;
  /** Where a process of the role `exit` takes flows of our gateways. */
  readonly exit: { readonly host: string; readonly port: number };
  /** Offer the exits of this machine and the echo site. */
  readonly demonstration: boolean;
  readonly firstAccount: boolean;
  readonly signUp: { readonly open: boolean; readonly allowanceBytes: bigint };
  /** Addresses whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** What readers of /metrics have to show; null: nobody may read them. */
  readonly metricsToken: string | null;
  readonly logLevel: "silent" | "error" | "warn" | "info" | "debug";
  /** Null: PGlite in the server's directory. */
  readonly databaseUrl: string | null;
  /** Null: this process's memory. */
  readonly redisUrl: string | null;
}

/**
 * Reads the configuration from environment variables.
 *
 * @throws ConfigError
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const settings = readEnvironment(environment);
  const repository = resolve(dirname(import.meta.filename), "../..");
  return {
    roles: new Set(settings.ATLANTIC_ROLES),
    directory: join(resolve(settings.ATLANTIC_DATA ?? join(repository, "data")), "server"),
    web: {
      host: settings.ATLANTIC_WEB_HOST,
      port: settings.ATLANTIC_WEB_PORT,
      url: settings.ATLANTIC_WEB_URL?.replace(/\/+$/, "") ?? null,
      page: join(repository, "server/web/dist"),
    },
    gateway: {
      host: settings.ATLANTIC_GATEWAY_HOST,
      port: settings.ATLANTIC_GATEWAY_PORT,
      tls: gatewayTls(settings),
      quotaStatus: settings.ATLANTIC_QUOTA_STATUS === "407" ? 407 : 403,
      processes: processCount(settings),
      process: settings.ATLANTIC_GATEWAY_PROCESS ?? null,
      echoAddress: settings.ATLANTIC_ECHO_ADDRESS ?? null,
    },
    drainMs: settings.ATLANTIC_DRAIN_SECONDS * 1_000,
    exit: { host: settings.ATLANTIC_EXIT_HOST, port: settings.ATLANTIC_EXIT_PORT },
    demonstration: settings.ATLANTIC_DEMONSTRATION,
    firstAccount: settings.ATLANTIC_FIRST_ACCOUNT,
    signUp: { open: settings.ATLANTIC_SIGN_UP === "open", allowanceBytes: settings.ATLANTIC_SIGN_UP_BYTES },
    trustedProxies: settings.ATLANTIC_TRUSTED_PROXIES,
    metricsToken: settings.ATLANTIC_METRICS_TOKEN ?? null,
    logLevel: settings.ATLANTIC_LOG,
    databaseUrl: settings.DATABASE_URL ?? null,
    redisUrl: settings.REDIS_URL ?? null,
  };
}

const TLS_PORT = 7778;

/** With a certificate TLS is on; without one only where a port is asked for. */
function gatewayTls(settings: Environment): GatewayTlsConfig | null {
  const {
    ATLANTIC_GATEWAY_TLS_CERT: certificate,
    ATLANTIC_GATEWAY_TLS_KEY: key,
    ATLANTIC_GATEWAY_TLS_PORT: tlsPort,
  } = settings;
  if (certificate !== undefined && key !== undefined) {
    return { port: tlsPort ?? TLS_PORT, files: { certificate: resolve(certificate), key: resolve(key) } };
  }
  if (certificate !== undefined || key !== undefined) {
    throw new ConfigError(
      "ATLANTIC_GATEWAY_TLS_CERT and ATLANTIC_GATEWAY_TLS_KEY belong together: set both, or neither.",
    );
  }
  return tlsPort === undefined ? null : { port: tlsPort, files: null };
}

/** One process for each core; the embedded database belongs to one process, and so does a gateway on it. */
function processCount(settings: Environment): number {
  if (settings.ATLANTIC_GATEWAY_PROCESS !== undefined) return 1;
  const wanted = settings.ATLANTIC_GATEWAY_PROCESSES;
  if (settings.DATABASE_URL !== undefined) return wanted === "auto" ? availableParallelism() : wanted;
  if (wanted === "auto" || wanted === 1) return 1;
  throw new ConfigError(
    "ATLANTIC_GATEWAY_PROCESSES needs Postgres: set DATABASE_URL as well, or leave it out for one process.",
  );
}
