import { siteOfHost } from "../../routing/site.ts";
import type { DnrCondition, ResourceType } from "../rulesets/dnr-rule.ts";
import { fitsPattern, type UrlText } from "./url-pattern.ts";

/** What is known of a request. Where something is not, rules that ask for it apply perhaps. */
export interface UrlRequest {
  readonly url: UrlText;
  readonly host: string;
  readonly method: string;
  /** The kinds that it may be of. */
  readonly types: readonly ResourceType[];
  /** The host of the page or frame that asks; null when nobody knows. */
  readonly initiator: string | null;
}

export type Applies = "yes" | "no" | "perhaps";

/** Whether a rule of declarativeNetRequest is about a request. Regular expressions are about none here. */
export function ruleApplies(condition: DnrCondition, request: UrlRequest): Applies {
  const { urlFilter, regexFilter, requestDomains, excludedRequestDomains, requestMethods } = condition;
  const { host, url, method } = request;
  if (regexFilter !== undefined) return "no";
  if (requestDomains !== undefined && !isWithin(host, requestDomains)) return "no";
  if (excludedRequestDomains !== undefined && isWithin(host, excludedRequestDomains)) return "no";
  if (requestMethods !== undefined && !requestMethods.includes(method.toLowerCase())) return "no";
  if (urlFilter !== undefined && !fitsPattern(urlFilter, url, condition.isUrlFilterCaseSensitive))
    return "no";
  return all([ofTypes(condition, request), ofInitiator(condition, request), ofParty(condition, request)]);
}

function all(answers: readonly Applies[]): Applies {
  if (answers.includes("no")) return "no";
  return answers.includes("perhaps") ? "perhaps" : "yes";
}

/** Without kinds of its own a rule is for all but pages. */
function ofTypes({ resourceTypes }: DnrCondition, { types }: UrlRequest): Applies {
  const isMeant = (type: ResourceType) =>
    resourceTypes === undefined ? type !== "main_frame" : resourceTypes.includes(type);
  if (types.every(isMeant)) return "yes";
  return types.some(isMeant) ? "perhaps" : "no";
}

function ofInitiator(condition: DnrCondition, { initiator }: UrlRequest): Applies {
  const { initiatorDomains, excludedInitiatorDomains } = condition;
  if (initiatorDomains === undefined && excludedInitiatorDomains === undefined) return "yes";
  if (initiator === null) return "perhaps";
  const isIn = initiatorDomains === undefined || isWithin(initiator, initiatorDomains);
  return isIn && !isWithin(initiator, excludedInitiatorDomains ?? []) ? "yes" : "no";
}

function ofParty({ domainType }: DnrCondition, { host, initiator }: UrlRequest): Applies {
  if (domainType === undefined) return "yes";
  if (initiator === null) return "perhaps";
  const isFirst = siteOfHost(host) === siteOfHost(initiator);
  return isFirst === (domainType === "firstParty") ? "yes" : "no";
}

/** Whether a host is one of these domains or below one. */
function isWithin(host: string, domains: readonly string[]): boolean {
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
}
