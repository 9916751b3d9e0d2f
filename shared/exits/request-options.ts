import {
  type ExitPartName,
  readExitParts,
  type Said,
  type SaidParts,
  shown,
  type UsernameProblem,
} from "./exit-parts.ts";
import { type GatewayUsername, saidByUsername } from "./gateway-username.ts";

/** What a request's `X-Atlantic-*` fields ask for. */
export interface RequestOptions {
  readonly said: SaidParts;
}

/** A header field, as the gateway's parsers give it. */
export interface RequestField {
  /** The name in lower case. */
  readonly lower: string;
  readonly value: string;
}

const PREFIX = "x-atlantic-";

/** What the web page's own programs send to the server: no option, although it looks like one. */
const NO_OPTION = "x-atlantic-request";

const parts: ReadonlyMap<string, readonly [part: ExitPartName, name: string]> = new Map([
  ["x-atlantic-country", ["country", "X-Atlantic-Country"]],
  ["x-atlantic-continent", ["continent", "X-Atlantic-Continent"]],
  ["x-atlantic-region", ["region", "X-Atlantic-Region"]],
  ["x-atlantic-city", ["city", "X-Atlantic-City"]],
  ["x-atlantic-zip", ["postalCode", "X-Atlantic-Zip"]],
  ["x-atlantic-asn", ["asn", "X-Atlantic-Asn"]],
  ["x-atlantic-isp", ["ispTier", "X-Atlantic-Isp"]],
  ["x-atlantic-session", ["session", "X-Atlantic-Session"]],
  ["x-atlantic-session-minutes", ["minutes", "X-Atlantic-Session-Minutes"]],
  ["x-atlantic-mode", ["mode", "X-Atlantic-Mode"]],
  ["x-atlantic-pool", ["pool", "X-Atlantic-Pool"]],
] as const);

/** Whether a field is one of ours, which no target may see. */
export function isOptionField(lower: string): boolean {
  return lower.startsWith(PREFIX) && lower !== NO_OPTION;
}

/**
 * Reads the options of a request; `undefined` when it has none.
 * A field of ours that there is not is a problem: what it asks for would be ignored otherwise.
 */
export function readRequestOptions(
  fields: Iterable<RequestField>,
): RequestOptions | UsernameProblem | undefined {
  let said: Map<ExitPartName, Said> | undefined;
  for (const { lower, value } of fields) {
    if (!isOptionField(lower)) continue;
    const known = parts.get(lower);
    if (!known) return { problem: `There is no field ${shown(lower)}. The fields are ${names()}.` };
    const [part, key] = known;
    if (value === "") return { problem: `${key} has no value. Give it one, or leave it out.` };
    if (said?.has(part)) return { problem: `${key} is there twice. Keep one of them.` };
    said ??= new Map();
    said.set(part, { key, value: part === "country" ? value.replaceAll(/\s*[,+]\s*/g, "+") : value });
  }
  return said && { said };
}

function names(): string {
  return [...parts.values()].map(([, name]) => name).join(", ");
}

/** The user name with the request's options. Where both say something of one part, they must say the same. */
export function mergeOptions(
  username: GatewayUsername,
  { said }: RequestOptions,
): GatewayUsername | UsernameProblem {
  const together = new Map(saidByUsername(username));
  for (const [part, word] of said) {
    const before = together.get(part) ?? (part === "session" ? together.get("oneIpSession") : undefined);
    if (before && !saysSame(part, before, word)) {
      return { problem: `${word.key} and "${before.key}" of the user name differ. Keep one of them.` };
    }
    if (part === "mode" && together.has("oneIpSession") && word.value.toLowerCase() !== "oneip") {
      return { problem: `${word.key} and "sessid_oneip" of the user name differ. Keep one of them.` };
    }
    if (!before) together.set(part, word);
  }
  const wish = readExitParts(together);
  return "problem" in wish ? wish : { credential: username.credential, ...wish };
}

/** A session's id is told apart by its letters' case; all else is not. */
function saysSame(part: ExitPartName, one: Said, other: Said): boolean {
  if (part === "session") return one.value === other.value;
  return normal(part, one.value) === normal(part, other.value);
}

function normal(part: ExitPartName, value: string): string {
  const lower = value.toLowerCase();
  return part === "country" ? lower.split("+").sort().join("+") : lower;
}
