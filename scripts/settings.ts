import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";

/** The repository's root folder. */
export const repository = resolve(import.meta.dirname, "..");

const port = (name: string) =>
  z.coerce
    .number({ error: `${name} must be a port number from 0 to 65535.` })
    .int()
    .min(0)
    .max(65_535);

const settingsSchema = z.object({
  data: z.string().min(1),
  webPort: port("--web-port"),
  gatewayPort: port("--gateway-port"),
  proxyPort: port("--proxy-port"),
  /** Where the gateway speaks TLS as well; undefined for nowhere. */
  gatewayTlsPort: port("--gateway-tls-port").optional(),
});

/** Where things are kept and listen: flags first, then the environment, then the defaults. */
export type Settings = z.infer<typeof settingsSchema>;

const flags = {
  data: { type: "string" },
  "web-port": { type: "string" },
  "gateway-port": { type: "string" },
  "proxy-port": { type: "string" },
  "gateway-tls-port": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

export const settingsHelp = `  --data DIR           where everything is kept (ATLANTIC_DATA, default ./data)
  --web-port N         web page and API (ATLANTIC_WEB_PORT, default 3000)
  --gateway-port N     gateway (ATLANTIC_GATEWAY_PORT, default 7777)
  --proxy-port N       the companion's local proxy (ATLANTIC_PROXY_PORT, default 9150)
  --gateway-tls-port N the gateway over TLS, with HTTP/2 (ATLANTIC_GATEWAY_TLS_PORT, default off; the certificate
                       is ATLANTIC_GATEWAY_TLS_CERT and _KEY, or one made for a first try)`;

/** @throws Error with what Node says of the flag, and how flags are given: npm keeps those before the dashes. */
function readFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: false }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause);
    throw new Error(
      `${said}. Flags go after two dashes, as in npm start -- --web-port 4000; --help lists them.`,
      {
        cause,
      },
    );
  }
}

/**
 * Reads the settings.
 * @throws Error with one sentence that names the flag which was wrong.
 */
export function readSettings(argv: readonly string[], env: NodeJS.ProcessEnv): Settings & { help: boolean } {
  const values = readFlags(argv);
  const read = settingsSchema.safeParse({
    data: resolve(values.data ?? env.ATLANTIC_DATA ?? join(repository, "data")),
    webPort: values["web-port"] ?? env.ATLANTIC_WEB_PORT ?? 3000,
    gatewayPort: values["gateway-port"] ?? env.ATLANTIC_GATEWAY_PORT ?? 7777,
    proxyPort: values["proxy-port"] ?? env.ATLANTIC_PROXY_PORT ?? 9150,
    gatewayTlsPort: values["gateway-tls-port"] ?? (env.ATLANTIC_GATEWAY_TLS_PORT || undefined),
  });
  if (!read.success) throw new Error(read.error.issues.map((issue) => issue.message).join(" "));
  return { ...read.data, help: values.help ?? false };
}
