import { readFile } from "node:fs/promises";
import { bindProvider, providerEntrySchema } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import {
  type CommonEntry,
  commonEntryShape,
  type OfferedPlace,
  offeredPlaceSchema,
  portNumber,
} from "@atlantic/shared/exits/adapters/upstream-entry.ts";
import { countryCodeSchema, exitSelectorSchema } from "@atlantic/shared/exits/selector.ts";
import { z } from "zod";
import { parseAllowedRange } from "../address-rules.ts";
import { exitAddressesSchema, exitKeySchema } from "../exit-role/exit-configuration.ts";
import { NameCache } from "../name-cache.ts";
import { localUpstream } from "./local-upstream.ts";
import { ownUpstream } from "./own-upstream.ts";
import { providerUpstream } from "./provider-upstream.ts";
import type { ExitPlace, Upstream } from "./upstream.ts";
import { type BreakerSettings, DEFAULT_BREAKER } from "./upstream-health.ts";

const name = exitSelectorSchema.shape.pool.unwrap();

const localEntrySchema = z.strictObject({
  kind: z.literal("local"),
  name: name.default("local"),
  countries: z.array(countryCodeSchema).optional(),
});

/** A gateway of ours on another machine with the role `exit`: see docs/failover.md. */
const ownEntrySchema = z.strictObject({
  kind: z.literal("own"),
  name: name.default("own"),
  host: z.string().min(1).max(253),
  port: portNumber.default(7070),
  key: exitKeySchema,
  tls: z.boolean().default(true),
  ca: commonEntryShape.ca,
  breaker: commonEntryShape.breaker,
  places: z
    .array(
      offeredPlaceSchema.extend({
        network: offeredPlaceSchema.shape.network.unwrap().default("datacenter"),
        /** Of the exit's addresses those that are there; none: whichever it has. */
        addresses: exitAddressesSchema.default([]),
      }),
    )
    .min(1),
});

const upstreamSchema = z.discriminatedUnion("kind", [localEntrySchema, ownEntrySchema, providerEntrySchema]);

/** `upstreams.json`: where traffic can leave, and which targets are allowed although they are not public. */
export const upstreamsFileSchema = z
  .strictObject({
    upstreams: z.array(upstreamSchema).min(1),
    /** Names of upstreams in the order to try. Those that it leaves out come behind, as the file lists them. */
    order: z.array(name).default([]),
    /** The web server that sessions without traffic are used with, where their provider would end them; false: none. */
    keepAlive: z
      .union([
        z.literal(false),
        z.strictObject({ host: z.string().min(1).max(253), port: portNumber.default(80) }),
      ])
      .default({ host: "example.com", port: 80 }),
    /** `address[/bits][:port]`, as in `10.9.0.0/16` or `127.0.0.1:8080`. */
    allowTargets: z.array(z.string().refine(isRange, "must be address[/bits][:port]")).default([]),
  })
  .superRefine(({ upstreams, order }, context) => {
    const names = upstreams.map((entry) => entry.name);
    for (const [index, one] of names.entries()) {
      if (names.indexOf(one) < index) {
        context.addIssue({
          code: "custom",
          path: ["upstreams", index, "name"],
          message: `"${one}" is there twice`,
        });
      }
    }
    for (const [index, one] of order.entries()) {
      if (!names.includes(one) || order.indexOf(one) < index) {
        context.addIssue({
          code: "custom",
          path: ["order", index],
          message: `"${one}" must name one upstream, once`,
        });
      }
    }
  });
export type UpstreamsFile = z.infer<typeof upstreamsFileSchema>;
type UpstreamEntry = z.infer<typeof upstreamSchema>;

/** Three exits of this machine, so that everything can be tried without an account at a provider. */
export const DEMONSTRATION: UpstreamsFile = {
  upstreams: [{ kind: "local", name: "local" }],
  order: [],
  keepAlive: false,
  allowTargets: [],
};

/**
 * Reads `upstreams.json`; the demonstration's exits when there is no such file.
 * @throws Error with one sentence for people when the file cannot be understood; it holds no secret
 */
export async function readUpstreamsFile(path: string): Promise<UpstreamsFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return DEMONSTRATION;
    throw new Error(`${path} cannot be read. Check its permissions.`, { cause: error });
  }
  const parsed = upstreamsFileSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${path} is wrong at ${issue?.path.join(".") || "the top"}: ${issue?.message}.`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds passwords.
    throw new Error(`${path} is not JSON. Check its commas and quotes.`);
  }
}

/** The upstreams of a configuration, in its order. */
export function buildUpstreams(file: UpstreamsFile, names = new NameCache()): Upstream[] {
  const place = ({ name: own }: UpstreamEntry) => {
    const at = file.order.indexOf(own);
    return at < 0 ? file.order.length : at;
  };
  return file.upstreams
    .toSorted((one, other) => place(one) - place(other))
    .map((entry) => buildUpstream(entry, names));
}

/** Where our own exits take flows: no client may knock there. */
export function ownExitsOf({ upstreams }: UpstreamsFile): { host: string; port: number }[] {
  return upstreams.flatMap((entry) => (entry.kind === "own" ? [{ host: entry.host, port: entry.port }] : []));
}

function buildUpstream(entry: UpstreamEntry, names: NameCache): Upstream {
  if (entry.kind === "local") return localUpstream(entry.name, entry.countries);
  if (entry.kind === "own") return fromOwnExit(entry, names);
  return providerUpstream({
    name: entry.name,
    provider: bindProvider(entry),
    places: entry.places?.map(placeOf) ?? null,
    ...(entry.ca !== undefined && { ca: entry.ca }),
    resolveHere: entry.resolve === "here",
    breaker: breakerOf(entry),
    names,
  });
}

function fromOwnExit(entry: z.infer<typeof ownEntrySchema>, names: NameCache): Upstream {
  const { name: own, host, port, key, tls, ca } = entry;
  return ownUpstream({
    name: own,
    host,
    port,
    key: Buffer.from(key, "base64url"),
    ...(tls && { tls: ca === undefined ? {} : { ca } }),
    places: entry.places.map((place) => ({ ...placeOf(place), addresses: place.addresses })),
    breaker: breakerOf(entry),
    names,
  });
}

function breakerOf({ breaker = {} }: Pick<CommonEntry, "breaker">): BreakerSettings {
  return {
    failures: breaker.failures ?? DEFAULT_BREAKER.failures,
    share: breaker.share ?? DEFAULT_BREAKER.share,
    windowSeconds: breaker.windowSeconds ?? DEFAULT_BREAKER.windowSeconds,
    restSeconds: breaker.restSeconds ?? DEFAULT_BREAKER.restSeconds,
    longestRestSeconds: breaker.longestRestSeconds ?? DEFAULT_BREAKER.longestRestSeconds,
  };
}

function placeOf(place: OfferedPlace): ExitPlace {
  const { country, continent, region = null, city = null, label, network, servers } = place;
  return {
    id: city === null ? country : `${country}-${city}`,
    country,
    ...(continent !== undefined && { continent }),
    region,
    city,
    label,
    network,
    servers,
  };
}

function isRange(text: string): boolean {
  try {
    parseAllowedRange(text);
    return true;
  } catch {
    return false;
  }
}
