import { readFileSync } from "node:fs";
import { z } from "zod";
import { ClearError } from "./clear-error.ts";
import { protectionConfigSchema } from "./protection/protection-config.ts";

const port = z.int().min(1).max(65_535);

const authority = z.string().regex(/^.+:\d{1,5}$/, "host:port");

const upstreamConfigSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("gateway"),
    host: z.string().min(1),
    port,
    username: z.string().min(1),
    password: z.string().min(1),
    /** The server's address, as in `http://127.0.0.1:3000`: exits and the account come from there. */
    apiUrl: z.url(),
  }),
  z.object({
    kind: z.literal("provider"),
    provider: z.enum(["oxylabs", "http", "socks5"]),
    host: z.string().min(1),
    port,
    username: z.string().default(""),
    password: z.string().default(""),
  }),
]);
export type UpstreamConfig = z.infer<typeof upstreamConfigSchema>;

/** `<data>/companion/config.json`. */
export const companionConfigSchema = z.object({
  upstream: upstreamConfigSchema,
  proxyPort: z.int().min(0).max(65_535).default(9150),
  /** Answers JSON `{address}` with the address that it was asked from; plain http. Null: addresses are not checked. */
  addressCheckUrl: z
    .url({ protocol: /^http$/ })
    .nullable()
    .default(null),
  /** Where direct flows to these `host:port` are dialled instead, as `host:port`. */
  hosts: z.record(authority, authority).default({}),
  /** Names are filtered: by lists, the person's own words, and a region's policy that was chosen. */
  filtering: z.boolean().default(true),
  /** The tunnel and the kill switch of the whole machine, which need privilege; null: browsers alone are served. */
  protection: protectionConfigSchema.nullable().default(null),
});
export type CompanionConfig = z.infer<typeof companionConfigSchema>;

/** @throws ClearError when the file is missing or does not hold what it should */
export function readConfig(path: string, environment: NodeJS.ProcessEnv = process.env): CompanionConfig {
  const config = parseConfig(readText(path), path);
  const asked = environment.ATLANTIC_PROXY_PORT;
  if (asked === undefined || asked === "") return config;
  const proxyPort = z.coerce.number().int().min(0).max(65_535).safeParse(asked).data;
  if (proxyPort === undefined) throw new ClearError(`ATLANTIC_PROXY_PORT is "${asked}": give a port number.`);
  return { ...config, proxyPort };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EACCES") {
      throw new ClearError(`${path} may not be read by you: run this as its owner.`, { cause });
    }
    throw new ClearError(`The companion has no configuration at ${path}: run npm start once.`, { cause });
  }
}

function parseConfig(text: string, path: string): CompanionConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ClearError(`${path} is not JSON: mend it, or delete it and run npm start.`, { cause });
  }
  const read = companionConfigSchema.safeParse(value);
  if (read.success) return read.data;
  // Paths only: the values may be passwords.
  const where = read.error.issues.map((issue) => issue.path.join(".") || "the whole file").join(", ");
  throw new ClearError(`${path} is wrong at ${where}: mend it, or delete it and run npm start.`);
}
