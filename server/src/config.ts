import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import type { CertificateFiles } from "./gateway/tls/certificate.ts";

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.enum(["0", "1"]).transform((value) => value === "1");

const roleNames = ["web", "gateway", "worker", "exit"] as const;
const defaultRoles = ["web", "gateway", "worker"] as const;

/** What a process of the server does: all of it by default. */
type Role = (typeof roleNames)[number];

const roles = z
  .string()
  .transform((text) => text.split(",").map((one) => one.trim()))
  .pipe(z.array(z.enum(roleNames)).min(1))
  // An exit shares nothing with the others: no database, and no accounts.
  .refine((names) => !names.includes("exit") || names.length === 1);

const environmentSchema = z.object({
  ATLANTIC_DATA: z.string().min(1).optional(),
  ATLANTIC_ROLES: roles.default([...defaultRoles]),
  ATLANTIC_WEB_HOST: z.string().min(1).default("127.0.0.1"),
  ATLANTIC_WEB_PORT: port.default(3000),
  ATLANTIC_WEB_URL: z.url({ protocol: /^https?$/ }).optional(),
  ATLANTIC_GATEWAY_HOST: z.string().min(1).default("127.0.0.1"),
  ATLANTIC_GATEWAY_PORT: port.default(7777),
  ATLANTIC_GATEWAY_TLS_PORT: port.optional(),
  ATLANTIC_GATEWAY_TLS_CERT: z.string().min(1).optional(),
  ATLANTIC_GATEWAY_TLS_KEY: z.string().min(1).optional(),
  ATLANTIC_GATEWAY_PROCESSES: z
    .union([z.literal("auto"), z.coerce.number().int().min(1).max(64)])
    .default("auto"),
  /** Set by the process that shares its port with others; people do not. */
  ATLANTIC_GATEWAY_PROCESS: z.coerce.number().int().min(0).optional(),
  ATLANTIC_ECHO_ADDRESS: z.string().optional(),
  ATLANTIC_DRAIN_SECONDS: z.coerce.number().int().min(0).max(86_400).default(30),
  ATLANTIC_EXIT_HOST: z.string().min(1).default("0.0.0.0"),
  ATLANTIC_EXIT_PORT: port.default(7070),
  ATLANTIC_QUOTA_STATUS: z.enum(["403", "407"]).default("403"),
  ATLANTIC_DEMONSTRATION: flag.default(true),
  ATLANTIC_FIRST_ACCOUNT: flag.default(false),
  ATLANTIC_SIGN_UP: z.enum(["open", "closed"]).default("open"),
  ATLANTIC_SIGN_UP_BYTES: z.coerce.bigint().min(0n).default(1_000_000_000n),
  ATLANTIC_TRUSTED_PROXIES: z.string().default(""),
  ATLANTIC_LOG: z.enum(["silent", "error", "warn", "info", "debug"]).default("warn"),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
});

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
  readonly logLevel: "silent" | "error" | "warn" | "info" | "debug";
  /** Null: PGlite in the server's directory. */
  readonly databaseUrl: string | null;
  /** Null: this process's memory. */
  readonly redisUrl: string | null;
}

/** A setting that cannot be read. The message is one sentence that names it and never shows its value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the configuration from environment variables.
 *
 * @throws ConfigError
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const filled = Object.entries(environment).filter(([, value]) => value !== undefined && value !== "");
  const parsed = environmentSchema.safeParse(Object.fromEntries(filled));
  if (!parsed.success) throw new ConfigError(sentence(parsed.error));
  const settings = parsed.data;
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
    trustedProxies: settings.ATLANTIC_TRUSTED_PROXIES.split(",")
      .map((one) => one.trim())
      .filter(Boolean),
    logLevel: settings.ATLANTIC_LOG,
    databaseUrl: settings.DATABASE_URL ?? null,
    redisUrl: settings.REDIS_URL ?? null,
  };
}

const TLS_PORT = 7778;

/** With a certificate TLS is on; without one only where a port is asked for. */
function gatewayTls(settings: z.infer<typeof environmentSchema>): GatewayTlsConfig | null {
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
function processCount(settings: z.infer<typeof environmentSchema>): number {
  if (settings.ATLANTIC_GATEWAY_PROCESS !== undefined) return 1;
  const wanted = settings.ATLANTIC_GATEWAY_PROCESSES;
  if (settings.DATABASE_URL !== undefined) return wanted === "auto" ? availableParallelism() : wanted;
  if (wanted === "auto" || wanted === 1) return 1;
  throw new ConfigError(
    "ATLANTIC_GATEWAY_PROCESSES needs Postgres: set DATABASE_URL as well, or leave it out for one process.",
  );
}

function sentence(error: z.ZodError): string {
  const names = [...new Set(error.issues.map((issue) => String(issue.path[0])))];
  return `${names.join(" and ")} cannot be read: correct ${names.length === 1 ? "it" : "them"} or leave ${
    names.length === 1 ? "it" : "them"
  } out for the default.`;
}
