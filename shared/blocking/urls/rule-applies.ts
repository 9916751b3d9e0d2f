import type { DnrCondition, DnrRule, ResourceType } from "../rulesets/dnr-rule.ts";
import { readExpression } from "./expressions/read-expression.ts";
import { readPattern, type UrlPattern, type UrlText } from "./url-pattern.ts";

/** What is known of a request. Where something is not, rules that ask for it apply perhaps. */
export interface UrlRequest {
  readonly url: UrlText;
  readonly host: string;
  readonly method: string;
  /** The kinds that it may be of. */
  readonly types: readonly ResourceType[];
  /** The host of the page or frame that asks; empty when it has none, null when nobody knows. */
  readonly initiator: string | null;
  /** Whether that is of another site; null when nobody knows. */
  readonly isThirdParty: boolean | null;
}

export type Applies = "yes" | "no" | "perhaps";

/** Patterns that were read, as long as their rules are kept. */
const patterns = new WeakMap<DnrCondition, UrlPattern>();

/** Whether a rule of declarativeNetRequest is about a request. One whose expression is not understood is about none. */
export function ruleApplies(condition: DnrCondition, request: UrlRequest): Applies {
  const { requestDomains, excludedRequestDomains, requestMethods } = condition;
  const { host, method } = request;
  // What costs least comes first, for a request is held against hundreds of rules.
  const type = ofTypes(condition, request);
  if (type === "no") return "no";
  const party = ofParty(condition, request);
  if (party === "no") return "no";
  const page = ofInitiator(condition, request);
  if (page === "no") return "no";
  if (requestDomains !== undefined && !isWithin(host, requestDomains)) return "no";
  if (excludedRequestDomains !== undefined && isWithin(host, excludedRequestDomains)) return "no";
  if (requestMethods !== undefined && !requestMethods.includes(method.toLowerCase())) return "no";
  if (!fitsRule(condition, request.url)) return "no";
  return type === "yes" && party === "yes" && page === "yes" ? "yes" : "perhaps";
}

/** Whether a rule has no regular expression, or one that is understood here. */
export function isUnderstood({ condition: { regexFilter, isUrlFilterCaseSensitive } }: DnrRule): boolean {
  return regexFilter === undefined || readExpression(regexFilter, isUrlFilterCaseSensitive) !== undefined;
}

/** Whether an address fits the pattern of a rule; every address does where there is none. */
export function fitsRule(condition: DnrCondition, url: UrlText): boolean {
  let fits = patterns.get(condition);
  if (fits === undefined) {
    fits = readCondition(condition);
    patterns.set(condition, fits);
  }
  return fits(url);
}

function readCondition({ urlFilter, regexFilter, isUrlFilterCaseSensitive }: DnrCondition): UrlPattern {
  if (regexFilter !== undefined)
    return readExpression(regexFilter, isUrlFilterCaseSensitive) ?? (() => false);
  return urlFilter === undefined ? () => true : readPattern(urlFilter, isUrlFilterCaseSensitive);
}

/** Without kinds of its own a rule is for all but pages. */
function ofTypes({ resourceTypes }: DnrCondition, { types }: UrlRequest): Applies {
  let meant = 0;
  for (const type of types)
    if (resourceTypes === undefined ? type !== "main_frame" : resourceTypes.includes(type)) meant += 1;
  if (meant === types.length) return "yes";
  return meant > 0 ? "perhaps" : "no";
}

function ofInitiator(condition: DnrCondition, { initiator }: UrlRequest): Applies {
  const { initiatorDomains, excludedInitiatorDomains } = condition;
  if (initiatorDomains === undefined && excludedInitiatorDomains === undefined) return "yes";
  if (initiator === null) return "perhaps";
  const isIn = initiatorDomains === undefined || isWithin(initiator, initiatorDomains);
  return isIn && !isWithin(initiator, excludedInitiatorDomains ?? []) ? "yes" : "no";
}

function ofParty({ domainType }: DnrCondition, { isThirdParty }: UrlRequest): Applies {
  if (domainType === undefined) return "yes";
  if (isThirdParty === null) return "perhaps";
  return isThirdParty === (domainType === "thirdParty") ? "yes" : "no";
}

/** Whether a host is one of these domains or below one. */
function isWithin(host: string, domains: readonly string[]): boolean {
  for (const domain of domains) {
    const before = host.length - domain.length - 1;
    if (host.endsWith(domain) && (before < 0 || host[before] === ".")) return true;
  }
  return false;
}
