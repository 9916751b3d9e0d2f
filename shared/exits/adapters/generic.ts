import { z } from "zod";
import type { ExitSelector } from "../selector.ts";
import { defineAdapter, noExit, type SpelledExit } from "./define-adapter.ts";
import type { ExitPart, ProviderEntry, ProviderRequest, SessionRules } from "./provider-adapter.ts";
import type { ProviderAccount, ProviderLogin, ProviderSession } from "./provider-session.ts";
import { LOWER_ALPHANUMERIC } from "./session-id.ts";
import { offeredPlaceSchema } from "./upstream-entry.ts";

/**
 * How a provider wants its login written, as the operator configures it: text with `{placeholders}`, and parts in
 * `[brackets]` that appear only when all of their placeholders have a value. Placeholders: `username`, `password`,
 * `country`, `COUNTRY`, `continent`, `region`, `city`, `postalCode`, `asn`, `session`, `minutes`.
 *
 *     brd-customer-{username}-zone-res[-country-{country}][-session-{session}]
 */
export interface LoginTemplate {
  readonly username: string;
  readonly password: string;
}

export const PLAIN_LOGIN: LoginTemplate = { username: "{username}", password: "{password}" };

const parts: readonly ExitPart[] = ["country", "continent", "region", "city", "postalCode", "asn"];

const known = new Set(["username", "password", "COUNTRY", "session", "minutes", ...parts]);

const text = z
  .string()
  .max(255)
  .refine(
    (value) => placeholders(value).every((name) => known.has(name)),
    "a placeholder in it is not known",
  );

export const genericAccount = {
  username: z.string().max(255).optional(),
  password: z.string().max(255).optional(),
  /** How the login is written; see `LoginTemplate`. Default: as it is. */
  template: z.strictObject({ username: text, password: text }).default(PLAIN_LOGIN),
  sessionIdLength: z.int().min(4).max(64).default(16),
  /** Minutes; the provider's own limits. */
  lifetime: z.strictObject({ minimum: z.int().min(1), maximum: z.int().max(1440) }).optional(),
  /** Seconds after which the provider forgets a session that is not used. */
  idleSeconds: z.int().min(10).max(86_400).optional(),
  /** It always leaves from one address, or fails: then strict and oneip can be promised. */
  fixedAddress: z.boolean().default(false),
  places: z.array(offeredPlaceSchema).optional(),
};
type Account = z.infer<z.ZodObject<typeof genericAccount>>;

const session: SessionRules = {
  id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: 16 },
  lifetime: null,
  keepAliveMs: null,
  oneAddress: false,
  evidence: "vendor",
};

/** Any HTTP, HTTPS or SOCKS5 proxy; the operator says how its login is written. */
export const generic = defineAdapter({
  kind: "generic",
  label: "This upstream",
  tier: "residential",
  account: genericAccount,
  secrets: ["username", "password"],
  entries: {},
  chooses: {
    country: "vendor",
    continent: "vendor",
    region: "vendor",
    city: "vendor",
    postalCode: "vendor",
    asn: "vendor",
  },
  choosesOf: chosenBy,
  session,
  sessionOf: ({ sessionIdLength, lifetime, idleSeconds, fixedAddress }) => ({
    ...session,
    id: { kind: "text", alphabet: LOWER_ALPHANUMERIC, length: sessionIdLength },
    lifetime: lifetime ?? null,
    keepAliveMs: idleSeconds === undefined ? null : Math.floor(idleSeconds * 750),
    oneAddress: fixedAddress,
  }),
  // Asked for: a SOCKS5 upstream that carries none says so itself.
  udp: true,
  notes: [
    "What its template has no placeholder for cannot be chosen by; without any it is the one place it names.",
  ],
  sources: [],
  disputes: [],
  checkUrl: null,
  usage: null,
  spell,
  refusal: ({ status }) => (status === 407 ? "upstream_denied" : undefined),
});

/** Whether the login leads to a place that can be chosen. */
export function choosesPlace({ username, password }: LoginTemplate): boolean {
  return /\{(country|continent|region|city|postalcode|asn)\}/i.test(username + password);
}

/** A fixed login leads to its one place: what the place already says need not be written into the login. */
function chosenBy({ template, places }: Account): ReadonlySet<ExitPart> {
  const inTemplate = new Set(placeholders(template.username + template.password));
  if (choosesPlace(template)) {
    return new Set(
      parts.filter((part) => inTemplate.has(part) || (part === "country" && inTemplate.has("COUNTRY"))),
    );
  }
  const [only] = places ?? [];
  return new Set(parts.filter((part) => only !== undefined && part in only));
}

function spell(
  { username, password, template, places }: Account,
  exit: SpelledExit,
  sticky: ProviderSession | undefined,
  entry: ProviderEntry,
): ProviderRequest {
  const isFixed = !choosesPlace(template);
  if (isFixed) refuseElsewhere(places?.[0], exit);
  if (username === undefined) return entry;
  return {
    ...entry,
    ...genericLogin(template, { username, password: password ?? "" }, isFixed ? {} : exit, sticky),
  };
}

function refuseElsewhere(place: Record<string, unknown> | undefined, exit: SpelledExit): void {
  for (const part of parts) {
    if (exit[part] !== undefined && exit[part] !== place?.[part])
      throw noExit(`This upstream is not there: ${part}.`);
  }
}

/**
 * The login for one connection.
 * @throws ProxyError `no_exit` when the selector asks for what the template has no place for
 */
export function genericLogin(
  template: LoginTemplate,
  { username, password }: ProviderAccount,
  exit: ExitSelector,
  sticky: ProviderSession | undefined,
): ProviderLogin {
  refuseWhatHasNoPlace(template, exit);
  const { countries: _, ...single } = exit;
  const values: Record<string, string | number | undefined> = {
    ...single,
    username,
    password,
    COUNTRY: exit.country?.toUpperCase(),
    session: sticky?.id,
    minutes: sticky?.lifetimeMinutes,
  };
  return { username: fill(template.username, values), password: fill(template.password, values) };
}

/** Asked for a city, an exit anywhere in the country would be a wrong exit: refuse instead. */
function refuseWhatHasNoPlace(template: LoginTemplate, exit: ExitSelector): void {
  const written = (template.username + template.password).toLowerCase();
  for (const [key, value] of Object.entries(exit)) {
    if (value === undefined || key === "pool") continue;
    if (!written.includes(`{${key.toLowerCase()}}`)) {
      throw noExit(`This upstream does not choose exits by ${key}.`);
    }
  }
}

function fill(template: string, values: Record<string, string | number | undefined>): string {
  const chosen = template.replace(/\[([^\]]*)\]/g, (_, part: string) =>
    placeholders(part).every((name) => values[name] !== undefined) ? part : "",
  );
  return chosen.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

function placeholders(template: string): string[] {
  return [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
}
