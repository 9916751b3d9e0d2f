import { closestKey } from "./closest-key.ts";
import {
  about,
  type ExitPartName,
  readExitParts,
  type Said,
  type SaidParts,
  shown,
  type UsernameProblem,
} from "./exit-parts.ts";
import type { ExitSelector, ExitSession } from "./selector.ts";

export type { UsernameProblem };

/**
 * The user name that a client shows the gateway: whose traffic it is, where it leaves, and in which session.
 *
 *     <credential>[-cc-<xx>[+<xx>…] | -cn-<xx>][-st-<name>][-city-<name>][-zip-<code>][-asn-<n>][-isp-<tier>]
 *                 [-pool-<name>][-sid-<id>[-ttl-<1..1440>][-mode-flex|strict|oneip]]
 *
 * Each key at most once, in any order. Without `sid` every connection may have another address. The spelling of
 * Oxylabs is understood too, with the credential as the customer:
 *
 *     customer-<credential>[-cc-XX | -cn-XX][-st-us_california][-city-los_angeles][-postalcode-N][-ASN-N]
 *                          [-sessid-ID[-sesstime-MIN] | -sessid_oneip-ID[-sesstime-MIN]]
 */
export interface GatewayUsername {
  readonly credential: string;
  readonly exit: ExitSelector;
  readonly session: ExitSession | undefined;
}

const MAX_BYTES = 255;
const credentialPattern = /^[a-z0-9_]{1,64}$/;
const FOREIGN = "customer-";

const ownKeys: ReadonlyMap<string, ExitPartName> = new Map([
  ["cc", "country"],
  ["cn", "continent"],
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

const oxylabsKeys: ReadonlyMap<string, ExitPartName> = new Map([
  ["cc", "country"],
  ["cn", "continent"],
  ["st", "region"],
  ["city", "city"],
  ["postalcode", "postalCode"],
  ["asn", "asn"],
  ["sessid", "session"],
  ["sessid_oneip", "oneIpSession"],
  ["sesstime", "minutes"],
]);

/** What each user name that was read said itself, before the defaults: headers must not contradict it. */
const saidIn = new WeakMap<GatewayUsername, SaidParts>();

/** Reads a user name in either spelling. Never throws. */
export function parseGatewayUsername(text: string): GatewayUsername | UsernameProblem {
  if (new TextEncoder().encode(text).length > MAX_BYTES) {
    return { problem: `The user name is longer than ${MAX_BYTES} bytes. Leave out some of its parts.` };
  }
  const foreign = text.slice(0, FOREIGN.length).toLowerCase() === FOREIGN;
  const nameStart = foreign ? FOREIGN.length : 0;
  const dash = text.indexOf("-", nameStart);
  const nameEnd = dash < 0 ? text.length : dash;
  const credential = text.slice(nameStart, nameEnd).toLowerCase();
  // No credential is called so: it would be read as the other spelling when it is written out.
  if (!credentialPattern.test(credential) || credential === "customer") {
    const problem = "The user name must begin with the credential's own name, as in atl_k3x9m2qp-cc-de.";
    return { problem, start: nameStart, end: nameEnd };
  }
  const said = readPairs(text, nameEnd + 1, foreign ? oxylabsKeys : ownKeys);
  if ("problem" in said) return said;
  if (foreign) spellAsOurs(said);
  const wish = readExitParts(said);
  if ("problem" in wish) return wish;
  const username = { credential, ...wish };
  saidIn.set(username, said);
  return username;
}

function readPairs(
  text: string,
  from: number,
  keys: ReadonlyMap<string, ExitPartName>,
): Map<ExitPartName, Said> | UsernameProblem {
  const said = new Map<ExitPartName, Said>();
  for (let start = from; start <= text.length; ) {
    const keyEnd = endOfWord(text, start);
    const end = endOfWord(text, keyEnd + 1);
    const word = { key: text.slice(start, keyEnd), value: text.slice(keyEnd + 1, end), start, end };
    const part = keys.get(word.key.toLowerCase());
    if (!part) return unknownKey(word, keyEnd, [...keys.keys()]);
    if (word.value === "") {
      return about(word, `"${word.key}" has no value. Write it as ${word.key}-value, or leave it out.`);
    }
    if (said.has(part)) return about(word, `"${word.key}" is there twice. Keep one of them.`);
    said.set(part, word);
    start = end + 1;
  }
  return said;
}

/** Where the word that begins at `start` ends: at the next dash or at the end of the text. */
function endOfWord(text: string, start: number): number {
  const dash = text.indexOf("-", start);
  return Math.min(dash < 0 ? text.length : dash, text.length);
}

function unknownKey({ key, start = 0 }: Said, end: number, keys: readonly string[]): UsernameProblem {
  const near = closestKey(key, keys);
  const meant = near === undefined ? "" : ` Did you mean ${near}?`;
  const problem = `"${shown(key)}" is not a key of the user name.${meant} The keys are ${keys.join(", ")}.`;
  return { problem, start, end };
}

/** Oxylabs writes a state with its country in front, which may then be left out itself. */
function spellAsOurs(said: Map<ExitPartName, Said>): void {
  const region = said.get("region");
  const prefixed = /^([a-z]{2})_(.+)$/i.exec(region?.value ?? "");
  if (!region || !prefixed?.[1] || !prefixed[2]) return;
  const country = said.get("country");
  if (!country) said.set("country", { ...region, value: prefixed[1] });
  if (!country || country.value.toLowerCase() === prefixed[1].toLowerCase()) {
    said.set("region", { ...region, value: prefixed[2] });
  }
}

/** What a user name itself says, without the defaults. */
export function saidByUsername(username: GatewayUsername): SaidParts {
  const known = saidIn.get(username);
  if (known) return known;
  const said = new Map<ExitPartName, Said>();
  for (const [key, value] of spelledPairs(username)) {
    const part = ownKeys.get(key);
    if (part) said.set(part, { key, value: `${value}` });
  }
  return said;
}

/**
 * Writes a user name in our own spelling; defaults are left out.
 * `parseGatewayUsername` reads back exactly what was given.
 */
export function formatGatewayUsername(username: GatewayUsername): string {
  return [username.credential, ...spelledPairs(username).map((pair) => pair.join("-"))].join("-");
}

function spelledPairs({
  exit,
  session,
}: GatewayUsername): (readonly [key: string, value: string | number])[] {
  const pairs: (readonly [string, string | number | undefined])[] = [
    ["cc", exit.country ?? exit.countries?.join("+")],
    ["cn", exit.continent],
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
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
}
