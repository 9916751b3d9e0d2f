import { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { clientAddress } from "./http/client-address.ts";

const PORT = "a port number from 0 to 65535";
const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.enum(["0", "1"]).transform((value) => value === "1");
const FLAG = "0 or 1";

const roleNames = ["web", "gateway", "worker", "exit"] as const;
const defaultRoles = ["web", "gateway", "worker"] as const;

/** What a process of the server does: all of it by default. */
export type Role = (typeof roleNames)[number];

const roles = z
  .string()
  .transform((text) => text.split(",").map((one) => one.trim()))
  .pipe(z.array(z.enum(roleNames)).min(1))
  // An exit shares nothing with the others: no database, and no accounts.
  .refine((names) => !names.includes("exit") || names.length === 1);

const choice = (names: readonly string[]) => `one of ${names.join(", ")}`;
const quotaStatuses = ["403", "407"] as const;
const signUps = ["open", "closed"] as const;
const logLevels = ["silent", "error", "warn", "info", "debug"] as const;

const trustedProxies = z
  .string()
  .transform((text) =>
    text
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean),
  )
  .refine(canBeTrusted);

/** Each setting that can be wrong says what it takes (`describe`, at the end): the error names it. */
const environmentSchema = z.object({
  ATLANTIC_DATA: z.string().min(1).optional(),
  ATLANTIC_ROLES: roles
    .default([...defaultRoles])
    .describe("web, gateway and worker, one or several of them with commas between, or exit alone"),
  ATLANTIC_WEB_HOST: z.string().min(1).default("127.0.0.1"),
  ATLANTIC_WEB_PORT: port.default(3000).describe(PORT),
  ATLANTIC_WEB_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("an address that begins with http:// or https://"),
  ATLANTIC_GATEWAY_HOST: z.string().min(1).default("127.0.0.1"),
  ATLANTIC_GATEWAY_PORT: port.default(7777).describe(PORT),
  ATLANTIC_GATEWAY_TLS_PORT: port.optional().describe(PORT),
  ATLANTIC_GATEWAY_TLS_CERT: z.string().min(1).optional(),
  ATLANTIC_GATEWAY_TLS_KEY: z.string().min(1).optional(),
  ATLANTIC_GATEWAY_PROCESSES: z
    .union([z.literal("auto"), z.coerce.number().int().min(1).max(64)])
    .default("auto")
    .describe("auto, or a number from 1 to 64"),
  /** Set by the process that shares its port with others; people do not. */
  ATLANTIC_GATEWAY_PROCESS: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("a number that the gateway itself gives its processes"),
  ATLANTIC_ECHO_ADDRESS: z.string().optional(),
  ATLANTIC_DRAIN_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(86_400)
    .default(30)
    .describe("a whole number of seconds from 0 to 86400"),
  ATLANTIC_EXIT_HOST: z.string().min(1).default("0.0.0.0"),
  ATLANTIC_EXIT_PORT: port.default(7070).describe(PORT),
  ATLANTIC_QUOTA_STATUS: z.enum(quotaStatuses).default("403").describe(choice(quotaStatuses)),
  ATLANTIC_DEMONSTRATION: flag.default(true).describe(FLAG),
  ATLANTIC_FIRST_ACCOUNT: flag.default(false).describe(FLAG),
  ATLANTIC_SIGN_UP: z.enum(signUps).default("open").describe(choice(signUps)),
  ATLANTIC_SIGN_UP_BYTES: z.coerce
    .bigint()
    .min(0n)
    .default(1_000_000_000n)
    .describe("a whole number of bytes, 0 or more"),
  ATLANTIC_TRUSTED_PROXIES: trustedProxies
    .default([])
    .describe("addresses and networks (10.0.0.0/8) with commas between"),
  ATLANTIC_METRICS_TOKEN: z
    .string()
    // What a Bearer header can carry (RFC 6750 §2.1), and nobody guesses.
    .regex(/^[A-Za-z0-9._~+/-]{16,}=*$/)
    .optional()
    .describe("at least 16 letters, digits and signs of .-_~+/ that nobody can guess: openssl rand -hex 16"),
  ATLANTIC_LOG: z.enum(logLevels).default("warn").describe(choice(logLevels)),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .describe("an address that begins with postgres://"),
  REDIS_URL: z
    .url({ protocol: /^rediss?$/ })
    .optional()
    .describe("an address that begins with redis:// or rediss://"),
});

/** The settings as the environment has them, with their defaults. */
export type Environment = z.infer<typeof environmentSchema>;

/**
 * Reads the environment variables; an empty one is none.
 *
 * @throws ConfigError that names each wrong setting and what it takes
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Environment {
  const filled = Object.entries(environment).filter(([, value]) => value !== undefined && value !== "");
  const parsed = environmentSchema.safeParse(Object.fromEntries(filled));
  if (parsed.success) return parsed.data;
  throw new ConfigError(sentence(parsed.error));
}

function canBeTrusted(proxies: readonly string[]): boolean {
  try {
    clientAddress(proxies);
    return true;
  } catch {
    return false;
  }
}

function sentence(error: z.ZodError): string {
  const names = [...new Set(error.issues.map((issue) => String(issue.path[0])))];
  const wrong = names.map((name) => `${name} cannot be read: it takes ${takenBy(name)}.`);
  const them = names.length === 1 ? "it" : "them";
  return `${wrong.join(" ")} Correct ${them}, or leave ${them} out for the default.`;
}

function takenBy(name: string): string {
  const setting = (environmentSchema.shape as Readonly<Record<string, z.ZodType>>)[name];
  return setting?.description ?? "a text";
}
