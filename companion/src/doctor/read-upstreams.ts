import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isProviderKind, providerEntrySchema } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import { z } from "zod";
import { ClearError } from "../clear-error.ts";

/** An entry of `upstreams.json`. Holds secrets. */
export interface ConfiguredUpstream {
  readonly kind: string;
  readonly name: string;
  /** As the adapters' `bind` takes it. */
  readonly entry: Readonly<Record<string, unknown>>;
}

const fileSchema = z.object({ upstreams: z.array(z.looseObject({ kind: z.string() })) });

/** Where the server of this data directory keeps its upstreams. */
export function upstreamsPath(dataDir: string): string {
  return join(dataDir, "server", "upstreams.json");
}

/** @throws ClearError without a secret when the file cannot be read or understood */
export function readConfiguredUpstreams(path: string): ConfiguredUpstream[] {
  const file = fileSchema.safeParse(parseJson(readText(path), path));
  if (!file.success) throw new ClearError(`${path} has no list of upstreams: see docs/exits.md.`);
  return file.data.upstreams.map((entry, index) => {
    if (!isProviderKind(entry.kind)) return { kind: entry.kind, name: `${entry.name ?? entry.kind}`, entry };
    const parsed = providerEntrySchema.safeParse(entry);
    if (parsed.success) return { kind: parsed.data.kind, name: parsed.data.name, entry: parsed.data };
    // Paths only: the values may be passwords.
    const where = parsed.error.issues.map((issue) => issue.path.join(".") || "the entry itself").join(", ");
    throw new ClearError(`${path} is wrong at upstreams.${index}: ${where}.`);
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      throw new ClearError(
        `There is no ${path}, which names the gateway's upstreams (docs/exits.md): without it there is the demonstration alone.`,
        { cause },
      );
    }
    throw new ClearError(`${path} cannot be read: run this on the gateway's machine, as its user.`, {
      cause,
    });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new ClearError(`${path} is not JSON: check its commas and quotes.`);
  }
}
