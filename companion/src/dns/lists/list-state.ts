import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { listName } from "@atlantic/shared/blocking/list-name.ts";
import { z } from "zod";
import { ClearError } from "../../clear-error.ts";

const name = z.string().refine((text) => listName(text) === text, "a name in lower case");

const subscriptionSchema = z.object({
  /** From its address, for the file's name and for people. */
  id: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,80}$/),
  url: z.url({ protocol: /^https?$/ }),
  enabled: z.boolean().default(true),
  /** What the server said of the last good version, for asking again. */
  etag: z.string().nullable().default(null),
  /** SHA-256 of the last good version, hexadecimal. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null),
  /** The only version that is wanted, by its SHA-256; null: any. */
  pinned: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null),
  checkedAt: z.int().nullable().default(null),
  changedAt: z.int().nullable().default(null),
  /** Why the last update failed, for people; the last good version goes on being used. */
  problem: z.string().nullable().default(null),
});
export type Subscription = z.infer<typeof subscriptionSchema>;

const listStateSchema = z.object({
  version: z.literal(1),
  /** Built-in lists that are switched off. */
  off: z.array(z.string()).default([]),
  subscriptions: z.array(subscriptionSchema).max(64).default([]),
  /** The person's own words, for a name and all below it. */
  allowed: z.array(name).max(10_000).default([]),
  blocked: z.array(name).max(10_000).default([]),
  /** Sites on which ads are not blocked. */
  unfiltered: z.array(name).max(10_000).default([]),
  choices: z
    .object({
      /** Firefox asks for its canary before it turns to DNS over HTTPS of its own; a denial keeps it from that. */
      firefoxCanary: z.boolean().default(true),
      /** Servers of DNS over HTTPS that programs could turn to past this resolver. */
      dohServers: z.boolean().default(true),
      /** Relays that carry a browser's traffic past the exits, such as iCloud Private Relay. */
      privateRelays: z.boolean().default(false),
    })
    .prefault({}),
  answer: z.enum(["nxdomain", "zero", "refused"]).default("nxdomain"),
});
export type ListState = z.infer<typeof listStateSchema>;

/**
 * What is filtered, as the person chose it; the defaults when nobody did yet. A file that is damaged is put aside, and its
 * copy takes its place.
 * @throws ClearError when nothing that was kept can be read: what filters less than was chosen is not put in its place
 */
export function readListState(path: string): ListState {
  const main = read(path);
  if (main.kind === "good") return main.state;
  const copy = read(copyOf(path));
  if (copy.kind === "good") {
    if (main.kind === "damaged") {
      renameSync(path, `${path}.damaged`);
      process.emitWarning(`${path} was damaged: its copy is used. It was put aside as ${path}.damaged.`);
    }
    writeListState(path, copy.state);
    return copy.state;
  }
  if (main.kind === "missing" && copy.kind === "missing") return listStateSchema.parse({ version: 1 });
  const sentence = `${path} is damaged, and there is no good copy of it: mend it,`;
  throw new ClearError(`${sentence} or delete it and ${copyOf(path)} to begin with the defaults.`, {
    cause: [main, copy].find((one) => one.kind === "damaged")?.cause,
  });
}

/** Writes beside and renames, so that each file is always whole; the second is for the day on which the disk fails. */
export function writeListState(path: string, state: ListState): void {
  for (const place of [path, copyOf(path)]) {
    const beside = `${place}.${process.pid}.new`;
    writeFileSync(beside, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(beside, place);
  }
}

type Kept =
  | { readonly kind: "good"; readonly state: ListState }
  | { readonly kind: "missing" }
  | { readonly kind: "damaged"; readonly cause: unknown };

/** @throws ClearError when it may not be read */
function read(path: string): Kept {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "missing" };
    throw new ClearError(`${path} cannot be read: check its owner and its permissions.`, { cause: error });
  }
  try {
    return { kind: "good", state: listStateSchema.parse(JSON.parse(text)) };
  } catch (cause) {
    return { kind: "damaged", cause };
  }
}

function copyOf(path: string): string {
  return `${path}.copy`;
}

/** An id for a subscription from its address: host and last part of the path. */
export function idOf(url: string): string {
  const { hostname, pathname } = new URL(url);
  const last = pathname.split("/").filter(Boolean).at(-1) ?? "";
  const text = `${hostname}-${last}`.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, "-");
  return text.replaceAll(/^[.-]+|[.-]+$/g, "").slice(0, 80) || "list";
}
