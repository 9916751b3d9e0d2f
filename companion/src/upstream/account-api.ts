import { bytesText, type ExitView, exitViewSchema } from "@atlantic/shared/control/messages.ts";
import { z } from "zod";
import type { UpstreamConfig } from "../config.ts";
import { basicAuthorization } from "./exit-upstream.ts";
import { fetchText } from "./fetch-text.ts";

export interface AccountBalance {
  /** Decimal text. */
  readonly remainingBytes: string;
  readonly allowanceBytes: string;
}

/** What the upstream says about its exits and the account, beside carrying traffic. */
export interface AccountApi {
  /** @throws Error with a sentence for people */
  exits(): Promise<ExitView[]>;
  /** Null when the upstream cannot tell. @throws Error with a sentence for people */
  balance(): Promise<AccountBalance | null>;
}

const exitsSchema = z.object({ exits: z.array(exitViewSchema) });
const usageSchema = z.object({
  balance: z.object({ remainingBytes: bytesText, allowanceBytes: bytesText }),
});

const TIMEOUT_MS = 10_000;

export function accountApi(config: UpstreamConfig): AccountApi {
  if (config.kind === "provider") return { exits: async () => [], balance: async () => null };
  const read = <Schema extends z.ZodType>(path: string, schema: Schema) => readJson(config, path, schema);
  return {
    exits: async () => (await read("/api/v1/exits", exitsSchema)).exits,
    balance: async () => (await read("/api/v1/usage", usageSchema)).balance,
  };
}

async function readJson<Schema extends z.ZodType>(
  { apiUrl, username, password }: UpstreamConfig & { kind: "gateway" },
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const url = new URL(path, apiUrl);
  const { status, text } = await fetchText({
    secure: url.protocol === "https:",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port,
    path: url.pathname,
    headers: { authorization: basicAuthorization(username, password), accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new Error(`The server at ${apiUrl} does not answer: check that it runs.`, { cause });
  });
  if (status === 401 || status === 403) {
    throw new Error(`The server at ${apiUrl} refused this companion's credential: check it in your account.`);
  }
  if (status !== 200) throw new Error(`The server at ${apiUrl} answered ${status} to ${path}.`);
  const body = schema.safeParse(jsonOf(text));
  if (body.success) return body.data;
  throw new Error(`The server at ${apiUrl} answered in a way that this companion does not understand.`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
