import type { ResourceType } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { EVERY_TYPE } from "@atlantic/shared/blocking/rulesets/resource-types.ts";
import { hostOf, isThirdParty } from "@atlantic/shared/blocking/urls/request-site.ts";
import type { UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { urlText } from "@atlantic/shared/blocking/urls/url-pattern.ts";

/** A request as Firefox's `webRequest` tells of it, as far as filter rules ask. */
export interface SeenRequest {
  readonly url: string;
  readonly method: string;
  readonly type: string;
  /** The document that it is for; of a frame that is being loaded the one around it. */
  readonly documentUrl?: string;
  /** What started it: a style sheet, a worker's script, or the document. */
  readonly originUrl?: string;
  /** The documents around its own, the innermost first; of a frame that is being loaded all around it. */
  readonly frameAncestors?: readonly { readonly url: string }[];
}

/** What only Firefox tells apart. */
const byFirefoxType: Readonly<Record<string, ResourceType>> = {
  imageset: "image",
  beacon: "ping",
  object_subrequest: "object",
};

/** What filter rules ask about a request. */
export function requestFacts({ url, method, type, documentUrl, originUrl }: SeenRequest): UrlRequest {
  const known = EVERY_TYPE.find((one) => one === type) ?? byFirefoxType[type] ?? "other";
  // A page comes from where it comes from; for what it asks for, the page counts and not its style sheet.
  const asking = known === "main_frame" ? originUrl : (documentUrl ?? originUrl);
  return factsOf(url, method, known, hostOf(asking) ?? NO_HOST);
}

/** The requests by which the documents came that a request is of, its own first and the page last. */
export function pagesAround({ type, documentUrl, frameAncestors = [] }: SeenRequest): UrlRequest[] {
  if (type === "main_frame") return [];
  const around = frameAncestors.map(({ url }) => url);
  const isFrame = type === "sub_frame" && around.length > 0;
  const urls = documentUrl === undefined || isFrame ? around : [documentUrl, ...around];
  return urls.map((url, index) => {
    const isPage = index === urls.length - 1;
    // What led to the page is not known any more.
    const initiator = isPage ? null : (hostOf(urls[index + 1]) ?? NO_HOST);
    return factsOf(url, "GET", isPage ? "main_frame" : "sub_frame", initiator);
  });
}

/**
 * Firefox names no document that is of no origin, such as a frame in a sandbox. For rules such a document is on no site,
 * and everything is a third party to it.
 */
const NO_HOST = "";

function factsOf(url: string, method: string, type: ResourceType, initiator: string | null): UrlRequest {
  const host = hostOf(url) ?? NO_HOST;
  const isStranger = initiator === null ? null : isThirdParty(host, initiator);
  return { url: urlText(url), host, method, types: [type], initiator, isThirdParty: isStranger };
}
