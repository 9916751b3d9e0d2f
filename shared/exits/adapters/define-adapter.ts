import { z } from "zod";
import { ProxyError } from "../../errors.ts";
import type { ExitSelector } from "../selector.ts";
import type {
  BoundProvider,
  EntryProtocol,
  ExitPart,
  ProviderAdapter,
  ProviderEntry,
  ProviderRequest,
  SessionRules,
} from "./provider-adapter.ts";
import type { ProviderSession } from "./provider-session.ts";
import { type CommonEntry, commonEntrySchema } from "./upstream-entry.ts";

/** Stands where a secret stands. */
export const MASK = "••••";

/** RFC 1929 §2: neither part of a login may be longer. */
const MAX_LOGIN_BYTES = 255;

type AccountOf<Shape extends z.ZodRawShape> = z.infer<z.ZodObject<Shape>>;

/** An exit with one country and without what is ours to choose by. */
export type SpelledExit = Omit<ExitSelector, "countries" | "pool" | "ispTier">;

interface Spelling<Shape extends z.ZodRawShape>
  extends Omit<ProviderAdapter, "account" | "bind" | "chooses" | "session"> {
  readonly account: Shape;
  /** The fields of the account that nobody is shown. */
  readonly secrets: readonly (keyof AccountOf<Shape> & string)[];
  readonly chooses: ProviderAdapter["chooses"];
  readonly session: SessionRules | null;
  /** Where an account changes what can be chosen by. */
  choosesOf?(account: AccountOf<Shape>): ReadonlySet<ExitPart>;
  /** Where an account changes the rules. */
  sessionOf?(account: AccountOf<Shape>): SessionRules | null;
  /** @throws ProxyError `no_exit` */
  spell(
    account: AccountOf<Shape>,
    exit: SpelledExit,
    session: ProviderSession | undefined,
    entry: ProviderEntry,
  ): ProviderRequest;
}

/** Makes an adapter of a provider's spelling: what all of them check alike is checked here. */
export function defineAdapter<Shape extends z.ZodRawShape>(spelling: Spelling<Shape>): ProviderAdapter {
  const { spell, secrets, sessionOf, choosesOf, ...facts } = spelling;
  const accountSchema = z.object(spelling.account);
  const adapter: ProviderAdapter = {
    ...facts,
    bind(given) {
      const common = commonEntrySchema.parse(given);
      const account = accountSchema.parse(given);
      const entry = entryOf(facts, common);
      const session = sessionOf ? sessionOf(account) : facts.session;
      const chooses = choosesOf?.(account) ?? new Set(Object.keys(facts.chooses));
      const tier = common.tier ?? facts.tier;
      const bound = { label: facts.label, tier, session, chooses };
      const askAs = (shown: AccountOf<Shape>): BoundProvider["ask"] => {
        return (exit, wanted) => {
          const spelled = checkedExit(bound, exit);
          return checkedLength(facts.label, spell(shown, spelled, checkedSession(bound, wanted), entry));
        };
      };
      return {
        adapter,
        protocol: common.protocol,
        tier,
        session,
        ask: askAs(account),
        show: askAs(masked(account, secrets)),
      };
    },
  };
  return adapter;
}

function entryOf(
  { label, entries }: Pick<ProviderAdapter, "label" | "entries">,
  { host, port, protocol }: CommonEntry,
): ProviderEntry {
  const own: Partial<ProviderEntry> = entries[protocol] ?? {};
  const found = { host: host ?? own.host, port: port ?? own.port };
  if (found.host === undefined || found.port === undefined) {
    throw new Error(`${label} has no known entry for ${protocol}: give its host and port.`);
  }
  return { host: found.host, port: found.port };
}

function masked<Account extends object>(account: Account, secrets: readonly string[]): Account {
  const shown = Object.entries(account).map(([field, value]) => [
    field,
    secrets.includes(field) && value !== undefined ? MASK : value,
  ]);
  return Object.fromEntries(shown) as Account;
}

interface Bound {
  readonly label: string;
  readonly tier: string;
  readonly session: SessionRules | null;
  readonly chooses: ReadonlySet<string>;
}

const partNames: Readonly<Record<ExitPart, readonly [key: string, words: string]>> = {
  country: ["cc", "country"],
  continent: ["cn", "continent"],
  region: ["st", "state or region"],
  city: ["city", "city"],
  postalCode: ["zip", "postal code"],
  asn: ["asn", "network number (ASN)"],
};

/** Asked for a city, an exit anywhere in the country would be a wrong exit: refuse instead. */
function checkedExit({ label, tier, chooses }: Bound, exit: ExitSelector): SpelledExit {
  const { countries, pool: _, ispTier, ...spelled } = exit;
  if (countries !== undefined) throw noExit(`${label} takes one country at a time.`);
  if (ispTier !== undefined && ispTier !== tier) {
    throw noExit(`${label} is of the tier ${tier} here, not ${ispTier}. Leave isp out, or ask for ${tier}.`);
  }
  for (const part of Object.keys(partNames) as ExitPart[]) {
    if (spelled[part] === undefined || chooses.has(part)) continue;
    const [key, words] = partNames[part];
    throw noExit(`${label} does not choose exits by ${words}. Leave ${key} out.`);
  }
  return spelled;
}

function checkedSession(
  { label, session: rules }: Bound,
  session: ProviderSession | undefined,
): ProviderSession | undefined {
  if (session === undefined) return undefined;
  if (session.mode !== "flex" && !rules?.oneAddress) {
    throw noExit(`${label} cannot promise one address, as mode ${session.mode} asks. Use mode flex.`);
  }
  const lifetime = rules?.lifetime;
  if (!lifetime) return session;
  const lifetimeMinutes = Math.min(Math.max(session.lifetimeMinutes, lifetime.minimum), lifetime.maximum);
  return lifetimeMinutes === session.lifetimeMinutes ? session : { ...session, lifetimeMinutes };
}

/** A login that is cut would be another login. */
function checkedLength(label: string, request: ProviderRequest): ProviderRequest {
  const { username = "", password = "" } = request;
  if (byteLength(username) <= MAX_LOGIN_BYTES && byteLength(password) <= MAX_LOGIN_BYTES) return request;
  throw noExit(`The login for ${label} would be longer than ${MAX_LOGIN_BYTES} bytes. Ask for less.`);
}

const encoder = new TextEncoder();

/** Three bytes a UTF-16 unit are the most that UTF-8 takes: short texts need not be encoded to be counted. */
function byteLength(text: string): number {
  return text.length * 3 <= MAX_LOGIN_BYTES ? text.length : encoder.encode(text).length;
}

/** What a provider cannot do, named. */
export function noExit(detail: string): ProxyError {
  return new ProxyError("no_exit", detail);
}

/** `key<separator>value` pairs in a row; pairs without a value are left out. */
export function pairs(
  separator: string,
  ...list: readonly (readonly [key: string, value: string | number | undefined])[]
): string[] {
  return list.flatMap(([key, value]) => (value === undefined ? [] : [`${key}${separator}${value}`]));
}

/** The entries of a provider that takes every protocol at one door. */
export function sameDoor(host: string, port: number): Readonly<Record<EntryProtocol, ProviderEntry>> {
  const entry = { host, port };
  return { http: entry, https: entry, socks5: entry };
}
