import type { ResourceType } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { EVERY_TYPE } from "@atlantic/shared/blocking/rulesets/resource-types.ts";
import type { UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { urlText } from "@atlantic/shared/blocking/urls/url-pattern.ts";
import { siteOfHost } from "@atlantic/shared/routing/site.ts";

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

/** Longer addresses are looked at as far as this. */
const MAX_URL_LENGTH = 4_096;

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
  return factsOf(url, method, known, known === "main_frame" ? originUrl : (documentUrl ?? originUrl));
}

/** The requests by which the documents came that a request is of, its own first and the page last. */
export function pagesAround({ type, documentUrl, frameAncestors = [] }: SeenRequest): UrlRequest[] {
  if (type === "main_frame" || documentUrl === undefined) return [];
  const around = frameAncestors.map(({ url }) => url);
  const urls = type === "sub_frame" && around.length > 0 ? around : [documentUrl, ...around];
  return urls.map((url, index) =>
    factsOf(url, "GET", index === urls.length - 1 ? "main_frame" : "sub_frame", urls[index + 1]),
  );
}

function factsOf(url: string, method: string, type: ResourceType, asking: string | undefined): UrlRequest {
  const text = url.slice(0, MAX_URL_LENGTH);
  const host = hostOf(text) ?? "";
  const initiator = hostOf(asking);
  const isThirdParty = initiator === null ? null : siteOfHost(initiator) !== siteOfHost(host);
  return { url: urlText(text), host, method, types: [type], initiator, isThirdParty };
}

function hostOf(url: string | undefined): string | null {
  return (url === undefined ? null : URL.parse(url)?.hostname) || null;
}
