import type { IncomingHttpHeaders } from "node:http";
import type { ResourceType } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { asRulesNameIt, hostOf, isThirdParty } from "@atlantic/shared/blocking/urls/request-site.ts";
import type { UrlRequest } from "@atlantic/shared/blocking/urls/rule-applies.ts";
import { urlText } from "@atlantic/shared/blocking/urls/url-pattern.ts";

/** Fetch Metadata, which browsers send to few plain sites (W3C Fetch Metadata §2.1). */
const byDestination: Readonly<Record<string, readonly ResourceType[]>> = {
  document: ["main_frame"],
  iframe: ["sub_frame"],
  frame: ["sub_frame"],
  style: ["stylesheet"],
  script: ["script"],
  worker: ["script"],
  sharedworker: ["script"],
  image: ["image"],
  font: ["font"],
  audio: ["media"],
  video: ["media"],
  track: ["media"],
  object: ["object"],
  embed: ["object"],
};

const byEnding: readonly (readonly [RegExp, readonly ResourceType[]])[] = [
  [/\.m?js$/i, ["script"]],
  [/\.(woff2?|ttf|otf|eot)$/i, ["font"]],
  [/\.(mp4|webm|m4[av]|mp3|ogg|wav|ts|m3u8)$/i, ["media"]],
];

const ANY_PART: readonly ResourceType[] = [
  "script",
  "xmlhttprequest",
  "font",
  "media",
  "object",
  "ping",
  "other",
];

/**
 * What filter rules ask about a plain request.
 * @param sites the sites whose page it may be of
 */
export function requestFacts(
  url: URL,
  method: string,
  headers: IncomingHttpHeaders,
  sites: readonly string[],
): UrlRequest {
  const [only = null, another] = sites.filter((site) => site !== "");
  const initiator = hostOf(headers.referer) ?? (another === undefined ? only : null);
  const host = asRulesNameIt(url.hostname);
  return {
    url: urlText(url.href),
    host,
    method,
    types: typesOf(url, headers),
    initiator,
    isThirdParty: initiator === null ? null : isThirdParty(host, initiator),
  };
}

function typesOf(
  { pathname }: URL,
  { accept = "", ...headers }: IncomingHttpHeaders,
): readonly ResourceType[] {
  const destination = headers["sec-fetch-dest"];
  const known = typeof destination === "string" ? byDestination[destination] : undefined;
  if (known) return known;
  if (accept.startsWith("text/html")) return ["main_frame", "sub_frame"];
  if (accept.startsWith("text/css")) return ["stylesheet"];
  if (accept.startsWith("image/")) return ["image"];
  if (headers["x-requested-with"] === "XMLHttpRequest") return ["xmlhttprequest"];
  return byEnding.find(([ending]) => ending.test(pathname))?.[1] ?? ANY_PART;
}
