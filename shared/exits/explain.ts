import { ProxyError, type ProxyErrorCode, proxyErrors, proxyStatusValue } from "../errors.ts";
import type { ExitPartName, Said } from "./exit-parts.ts";
import {
  formatGatewayUsername,
  type GatewayUsername,
  parseGatewayUsername,
  saidByUsername,
} from "./gateway-username.ts";
import type { ExitSelector, ExitSession } from "./selector.ts";

/** A part of a user name, and what it asks for. */
export interface ExplainedPart {
  readonly key: string;
  readonly value: string;
  /** For people, without a full stop: "leaves in Germany". */
  readonly meaning: string;
}

/** An error as each kind of client would get it. */
export interface ExplainedError {
  readonly code: ProxyErrorCode;
  /** What exactly is wrong; null where the code says it all. */
  readonly detail: string | null;
  /** What happened and what to do. */
  readonly sentence: string;
  readonly httpStatus: number;
  /** The value of the field `Proxy-Status` (RFC 9209). */
  readonly proxyStatus: string;
  /** RFC 1928 §6: the reply's code; null: the login is refused (RFC 1929 §2) and no reply follows. */
  readonly socks5Reply: number | null;
}

/** What a user name means. */
export type ExplainedUsername =
  | {
      readonly readable: true;
      readonly spelling: "atlantic" | "oxylabs";
      readonly credential: string;
      /** The same in our own spelling, without what goes without saying. */
      readonly canonical: string;
      readonly parts: readonly ExplainedPart[];
      readonly exit: ExitSelector;
      readonly session: ExitSession | null;
      /** For people: when the address changes. */
      readonly rotation: string;
    }
  | {
      readonly readable: false;
      readonly error: ExplainedError;
      /** The part that is wrong, in UTF-16 units; null when it is the whole. */
      readonly at: { readonly start: number; readonly end: number } | null;
    };

/** Says what a user name means, or what exactly is wrong with it. Never throws. */
export function explainUsername(text: string): ExplainedUsername {
  const username = parseGatewayUsername(text);
  if ("problem" in username) {
    const { problem, start, end } = username;
    const at = start === undefined || end === undefined ? null : { start, end };
    return { readable: false, error: explainError("bad_username", problem), at };
  }
  const { credential, exit, session = null } = username;
  return {
    readable: true,
    spelling: /^customer-/i.test(text) ? "oxylabs" : "atlantic",
    credential,
    canonical: formatGatewayUsername(username),
    parts: [...saidByUsername(username)].map(([part, said]) => explainPart(part, said, username)),
    exit,
    session,
    rotation: rotationOf(session),
  };
}

/** An error as clients get it. */
export function explainError(code: ProxyErrorCode, detail?: string): ExplainedError {
  const { sentence, httpStatus, socks } = proxyErrors[code];
  return {
    code,
    detail: detail ?? null,
    sentence,
    httpStatus,
    proxyStatus: proxyStatusValue(new ProxyError(code, detail)),
    socks5Reply: socks === "authentication" ? null : socks,
  };
}

function explainPart(
  part: ExitPartName,
  { key, value }: Said,
  { exit, session }: GatewayUsername,
): ExplainedPart {
  const meanings: Readonly<Record<ExitPartName, () => string>> = {
    country: () => `leaves in ${(exit.countries ?? [exit.country ?? ""]).map(countryName).join(" or ")}`,
    continent: () => `leaves in ${continentNames[exit.continent ?? ""] ?? value}`,
    region: () => `in the state or region ${inWords(value)}`,
    city: () => `in the city ${inWords(value)}`,
    postalCode: () => `at the postal code ${value.toUpperCase()}`,
    asn: () => `from the network AS${value}`,
    ispTier: () => `by an exit of the tier ${inWords(value)}`,
    pool: () => `by the upstream ${value}`,
    session: () => "keeps its address while the session lives",
    oneIpSession: () => "keeps its address while the session lives, and never gets another",
    minutes: () => `the session lives for ${session?.lifetimeMinutes ?? value} min`,
    mode: () => modeMeanings[session?.mode ?? "flex"],
  };
  return { key, value, meaning: meanings[part]() };
}

const modeMeanings: Readonly<Record<ExitSession["mode"], string>> = {
  flex: "when its address is lost, the session goes on with another one",
  strict: "when its address is lost, connections fail until the lifetime is over",
  oneip: "when its address is lost, connections fail: the id never gets another",
};

const continentNames: Readonly<Record<string, string>> = {
  af: "Africa",
  an: "Antarctica",
  as: "Asia",
  eu: "Europe",
  na: "North America",
  oc: "Oceania",
  sa: "South America",
};

function countryName(code: string): string {
  return new Intl.DisplayNames(["en"], { type: "region", fallback: "code" }).of(code.toUpperCase()) ?? code;
}

function inWords(name: string): string {
  return name.toLowerCase().replaceAll("_", " ");
}

/** For people: when the address changes. */
export function rotationOf(session: ExitSession | null): string {
  if (session === null) return "Every connection may have another address.";
  const { lifetimeMinutes, mode } = session;
  const byTime = `The address stays for ${lifetimeMinutes} min from the first connection`;
  if (mode === "flex") return `${byTime}, or until it is lost.`;
  return mode === "strict" ? `${byTime}; losing it is an error.` : `${byTime}; the id never gets another.`;
}
