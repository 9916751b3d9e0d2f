import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ServerReady } from "./messages.ts";
import type { Settings } from "./settings.ts";

const looseConfig = z.looseObject({ upstream: z.looseObject({ kind: z.string() }) });

/**
 * Points the companion of this data directory at the server just started, and keeps whatever else its owner wrote.
 * A configuration whose upstream is a provider is the owner's choice and stays as it is.
 */
export async function writeCompanionConfig(settings: Settings, server: ServerReady): Promise<void> {
  const directory = join(settings.data, "companion");
  const file = join(directory, "config.json");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const existing = await readExisting(file);
  if (existing && existing.upstream.kind !== "gateway") return;
  const demonstration = server.demonstration;
  const config = {
    ...existing,
    upstream: {
      ...existing?.upstream,
      kind: "gateway",
      host: server.gatewayHost,
      port: server.gatewayPort,
      apiUrl: server.webUrl,
      ...server.credential,
    },
    proxyPort: settings.proxyPort,
    ...(demonstration && {
      addressCheckUrl: `http://${demonstration.echoHost}/address`,
      hosts: { [`${demonstration.echoHost}:80`]: demonstration.echoAddress },
    }),
  };
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, file);
}

async function readExisting(file: string): Promise<z.infer<typeof looseConfig> | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    return undefined;
  }
  try {
    return looseConfig.parse(JSON.parse(text));
  } catch {
    throw new Error(
      `${file} is not a companion configuration: mend it, or remove it to have it written anew.`,
    );
  }
}
