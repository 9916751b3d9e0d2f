import { readFile } from "node:fs/promises";
import { genericLogin, PLAIN_LOGIN } from "@atlantic/shared/exits/adapters/generic.ts";
import { OXYLABS_ENTRY, oxylabsLogin, oxylabsRefusal } from "@atlantic/shared/exits/adapters/oxylabs.ts";
import { countryCodeSchema, type ExitSelector, exitSelectorSchema } from "@atlantic/shared/exits/selector.ts";
import { z } from "zod";
import { parseAllowedRange } from "../address-rules.ts";
import { localUpstream } from "./local-upstream.ts";
import { providerUpstream } from "./provider-upstream.ts";
import type { ExitPlace, Upstream } from "./upstream.ts";

const name = exitSelectorSchema.shape.pool.unwrap();
const port = z.int().min(1).max(65_535);
const protocol = z.enum(["http", "https", "socks5"]);

const placeSchema = z.strictObject({
  country: countryCodeSchema,
  region: exitSelectorSchema.shape.region,
  city: exitSelectorSchema.shape.city,
  label: z.string().min(1).max(100),
  network: z.enum(["residential", "datacenter", "mobile"]).default("residential"),
  servers: z.int().min(0).default(1),
});

const upstreamSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("local"),
      name: name.default("local"),
      countries: z.array(countryCodeSchema).optional(),
    }),
    z.strictObject({
      kind: z.literal("oxylabs"),
      name: name.default("oxylabs"),
      username: z.string().min(1),
      password: z.string().min(1),
      protocol: protocol.default("http"),
      host: z.string().default(OXYLABS_ENTRY.host),
      port: port.default(OXYLABS_ENTRY.port),
      /** What the list of exits shows; any place may be asked for when there are none. */
      places: z.array(placeSchema).optional(),
    }),
    z.strictObject({
      kind: z.literal("generic"),
      name,
      protocol,
      host: z.string().min(1),
      port,
      username: z.string().optional(),
      password: z.string().optional(),
      /** How the login is written; see `LoginTemplate`. Default: as it is. */
      template: z.strictObject({ username: z.string(), password: z.string() }).default(PLAIN_LOGIN),
      sessionIdLength: z.int().min(4).max(64).default(16),
      ca: z.string().optional(),
      /** The places it has. Where the login has no placeholder for a place, exactly the one where it is. */
      places: z.array(placeSchema).optional(),
    }),
  ])
  .refine(
    (entry) => entry.kind !== "generic" || (entry.places ?? []).length <= 1 || hasPlaceholder(entry.template),
    "an upstream with several places needs a placeholder for the place in its login template",
  );

/** `upstreams.json`: where traffic can leave, and which targets are allowed although they are not public. */
export const upstreamsFileSchema = z.strictObject({
  upstreams: z.array(upstreamSchema).min(1),
  /** `address[/bits][:port]`, as in `10.9.0.0/16` or `127.0.0.1:8080`. */
  allowTargets: z.array(z.string().refine(isRange, "must be address[/bits][:port]")).default([]),
});
export type UpstreamsFile = z.infer<typeof upstreamsFileSchema>;
type UpstreamEntry = z.infer<typeof upstreamSchema>;

/** Three exits of this machine, so that everything can be tried without an account at a provider. */
export const DEMONSTRATION: UpstreamsFile = {
  upstreams: [{ kind: "local", name: "local" }],
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
export function buildUpstreams(file: UpstreamsFile): Upstream[] {
  return file.upstreams.map(buildUpstream);
}

function buildUpstream(entry: UpstreamEntry): Upstream {
  if (entry.kind === "local") return localUpstream(entry.name, entry.countries);
  const places = entry.places?.map(placeOf) ?? null;
  const base = { name: entry.name, protocol: entry.protocol, host: entry.host, port: entry.port, places };
  if (entry.kind === "oxylabs") {
    const account = { username: entry.username, password: entry.password };
    return providerUpstream({
      ...base,
      sessionIdLength: 16,
      login: (exit, session) => oxylabsLogin(account, exit, session),
      refusal: oxylabsRefusal,
    });
  }
  const account = { username: entry.username ?? "", password: entry.password ?? "" };
  const choosesPlace = hasPlaceholder(entry.template);
  return providerUpstream({
    ...base,
    sessionIdLength: entry.sessionIdLength,
    ...(entry.ca !== undefined && { ca: entry.ca }),
    login(exit, session) {
      const wanted = choosesPlace || places === null ? exit : beyondPlace(exit);
      const login = genericLogin(entry.template, account, wanted, session);
      return entry.username === undefined ? undefined : login;
    },
  });
}

/** A fixed login leads to its one place: what the place already says need not be written into the login. */
function beyondPlace(exit: ExitSelector): ExitSelector {
  const rest = { ...exit };
  delete rest.country;
  delete rest.region;
  delete rest.city;
  return rest;
}

function hasPlaceholder({ username, password }: { username: string; password: string }): boolean {
  return /\{(country|region|city)\}/i.test(username + password);
}

function placeOf(place: z.infer<typeof placeSchema>): ExitPlace {
  const { country, region = null, city = null, label, network, servers } = place;
  return {
    id: city === null ? country : `${country}-${city}`,
    country,
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
