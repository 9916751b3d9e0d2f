import { type ExitSelector, type ExitSession, exitSelectorSchema, exitSessionSchema } from "./selector.ts";

/**
 * The user name that a client shows the gateway: whose traffic it is, where it leaves, and in which session.
 *
 *     <credential>[-cc-<xx>][-st-<name>][-city-<name>][-zip-<code>][-asn-<n>][-isp-<tier>][-pool-<name>]
 *                 [-sid-<id>[-ttl-<1..1440>][-mode-flex|strict|oneip]]
 *
 * Each key at most once, in any order. The spelling of Oxylabs is understood too, with the credential as the customer:
 *
 *     customer-<credential>[-cc-XX][-st-us_california][-city-los_angeles][-postalcode-N][-ASN-N]
 *                          [-sessid-ID[-sesstime-MIN] | -sessid_oneip-ID]
 */
export interface GatewayUsername {
  readonly credential: string;
  readonly exit: ExitSelector;
  readonly session: ExitSession | undefined;
}

/** A user name that says nothing clear. Names the part and what to do; safe to show, it holds no secret. */
export interface UsernameProblem {
  readonly problem: string;
}

const MAX_BYTES = 255;
const credentialPattern = /^[a-z0-9_]{1,64}$/;

type Meaning =
  | "country"
  | "region"
  | "city"
  | "postalCode"
  | "asn"
  | "ispTier"
  | "pool"
  | "session"
  | "oneIpSession"
  | "minutes"
  | "mode";

const ownKeys: ReadonlyMap<string, Meaning> = new Map([
  ["cc", "country"],
  ["st", "region"],
  ["city", "city"],
  ["zip", "postalCode"],
  ["asn", "asn"],
  ["isp", "ispTier"],
  ["pool", "pool"],
  ["sid", "session"],
  ["ttl", "minutes"],
  ["mode", "mode"],
]);

const oxylabsKeys: ReadonlyMap<string, Meaning> = new Map([
  ["cc", "country"],
  ["st", "region"],
  ["city", "city"],
  ["postalcode", "postalCode"],
  ["asn", "asn"],
  ["sessid", "session"],
  ["sessid_oneip", "oneIpSession"],
  ["sesstime", "minutes"],
]);

/** Reads a user name in either spelling. Never throws. */
export function parseGatewayUsername(text: string): GatewayUsername | UsernameProblem {
  if (new TextEncoder().encode(text).length > MAX_BYTES) {
    return { problem: `The user name is longer than ${MAX_BYTES} bytes. Leave out some of its parts.` };
  }
  const foreign = /^customer-/i.test(text);
  const [name = "", ...parts] = (foreign ? text.slice("customer-".length) : text).split("-");
  const credential = name.toLowerCase();
  if (!credentialPattern.test(credential)) {
    return { problem: "The user name must begin with the credential's own name, as in atl_k3x9m2qp-cc-de." };
  }
  const wishes = readPairs(parts, foreign ? oxylabsKeys : ownKeys);
  if (!(wishes instanceof Map)) return wishes;
  if (foreign) spellAsOurs(wishes);
  const exit = readExit(wishes);
  if ("problem" in exit) return exit;
  const session = readSession(wishes);
  if (session && "problem" in session) return session;
  return { credential, exit, session };
}

interface Wish {
  readonly key: string;
  readonly value: string;
}

type Wishes = Map<Meaning, Wish>;

function readPairs(parts: readonly string[], keys: ReadonlyMap<string, Meaning>): Wishes | UsernameProblem {
  const wishes: Wishes = new Map();
  for (let index = 0; index < parts.length; index += 2) {
    const key = parts[index] ?? "";
    const value = parts[index + 1];
    const meaning = keys.get(key.toLowerCase());
    if (!meaning) {
      const known = [...keys.keys()].join(", ");
      return { problem: `"${shown(key)}" is not a key of the user name. The keys are ${known}.` };
    }
    if (value === undefined || value === "") {
      return { problem: `"${key}" has no value. Write it as ${key}-value, or leave it out.` };
    }
    if (wishes.has(meaning)) {
      return { problem: `"${key}" is there twice. Keep one of them.` };
    }
    wishes.set(meaning, { key, value });
  }
  return wishes;
}

/** Oxylabs writes a state with its country in front, which may then be left out itself. */
function spellAsOurs(wishes: Wishes): void {
  const region = wishes.get("region");
  const prefixed = /^([a-z]{2})_(.+)$/i.exec(region?.value ?? "");
  if (!region || !prefixed?.[1] || !prefixed[2]) return;
  const country = wishes.get("country");
  if (!country) wishes.set("country", { key: region.key, value: prefixed[1] });
  if (!country || country.value.toLowerCase() === prefixed[1].toLowerCase()) {
    wishes.set("region", { key: region.key, value: prefixed[2] });
  }
}

const exitFields = ["country", "region", "city", "postalCode", "asn", "ispTier", "pool"] as const;

const examples: Record<(typeof exitFields)[number], string> = {
  country: "one country of two letters, as in us or de",
  region: "a name in letters, digits and underscores, as in california",
  city: "a name in letters, digits and underscores, as in new_york",
  postalCode: "3 to 10 letters or digits, as in 10115",
  asn: "a number from 1 to 4294967295, as in 3320",
  ispTier: "a name in letters, digits and underscores, as in residential",
  pool: "the name of one of the operator's pools",
};

function readExit(wishes: Wishes): ExitSelector | UsernameProblem {
  const exit: Record<string, string | number> = {};
  for (const field of exitFields) {
    const wish = wishes.get(field);
    if (!wish) continue;
    const value = field === "asn" ? wholeNumber(wish.value) : wish.value.toLowerCase();
    if (!exitSelectorSchema.shape[field].safeParse(value).success) return unreadable(wish, examples[field]);
    exit[field] = value;
  }
  const narrow = wishes.get("region") ?? wishes.get("city") ?? wishes.get("postalCode");
  if (narrow && !wishes.has("country")) {
    return { problem: `"${narrow.key}" needs a country. Add cc-xx, as in cc-us.` };
  }
  if (wishes.has("postalCode") && wishes.has("city")) {
    return { problem: "A postal code and a city exclude each other. Keep the postal code." };
  }
  return exitSelectorSchema.parse(exit);
}

function readSession(wishes: Wishes): ExitSession | UsernameProblem | undefined {
  const plain = wishes.get("session");
  const oneIp = wishes.get("oneIpSession");
  const minutes = wishes.get("minutes");
  const mode = wishes.get("mode");
  if (plain && oneIp) return { problem: `"${plain.key}" and "${oneIp.key}" exclude each other. Keep one.` };
  const id = plain ?? oneIp;
  if (!id) {
    const orphan = minutes ?? mode;
    return orphan && { problem: `"${orphan.key}" needs a session. Add a session id, or leave it out.` };
  }
  const { shape } = exitSessionSchema;
  if (!shape.id.safeParse(id.value).success) return unreadable(id, "1 to 25 letters, digits or underscores");
  const lifetimeMinutes = minutes && wholeNumber(minutes.value);
  if (minutes && !shape.lifetimeMinutes.safeParse(lifetimeMinutes).success) {
    return unreadable(minutes, "minutes from 1 to 1440");
  }
  const modeName = oneIp ? "oneip" : mode?.value.toLowerCase();
  if (mode && !shape.mode.safeParse(modeName).success) return unreadable(mode, "flex, strict or oneip");
  return exitSessionSchema.parse({ id: id.value, lifetimeMinutes, mode: modeName });
}

function wholeNumber(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

function unreadable({ key, value }: Wish, wanted: string): UsernameProblem {
  return { problem: `"${key}-${shown(value)}" cannot be read. After ${key} comes ${wanted}.` };
}

/** What a client sent, cut and made printable: it goes into errors and logs. */
function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
}

/**
 * Writes a user name in our own spelling; defaults are left out.
 * `parseGatewayUsername` reads back exactly what was given.
 */
export function formatGatewayUsername({ credential, exit, session }: GatewayUsername): string {
  const pairs: (readonly [string, string | number | undefined])[] = [
    ["cc", exit.country],
    ["st", exit.region],
    ["city", exit.city],
    ["zip", exit.postalCode],
    ["asn", exit.asn],
    ["isp", exit.ispTier],
    ["pool", exit.pool],
    ["sid", session?.id],
    ["ttl", session?.lifetimeMinutes === 10 ? undefined : session?.lifetimeMinutes],
    ["mode", session?.mode === "flex" ? undefined : session?.mode],
  ];
  const given = pairs.filter(([, value]) => value !== undefined);
  return [credential, ...given.map(([key, value]) => `${key}-${value}`)].join("-");
}
