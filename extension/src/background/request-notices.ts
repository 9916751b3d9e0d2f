import { siteOf, siteOfHost } from "@atlantic/shared/routing/site.ts";
import type { Browser } from "wxt/browser";
import type { Companion } from "./companion.ts";
import { isProbe } from "./image-policy.ts";
import type { TabBook } from "./tab-book.ts";

type Started = Browser.webRequest.OnBeforeRequestDetails;

const defaultPorts: Record<string, number> = { "http:": 80, "ws:": 80, "https:": 443, "wss:": 443 };

/**
 * Tells the companion which requests may be waiting for a tunnel: it challenges only for those, so that no challenge
 * can become a dialog. A notice never decides a route.
 */
export function tellStarted(
  details: Started,
  companion: Companion,
  book: TabBook,
  imagesMayBeChallenged: boolean,
): void {
  const url = new URL(details.url);
  const port = url.port === "" ? defaultPorts[url.protocol] : Number(url.port);
  if (port === undefined || (url.protocol === "http:" && details.tabId >= 0)) return;
  companion.tell("request.started", {
    requestId: details.requestId,
    tabId: details.tabId,
    frameId: details.frameId,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port,
    challengeable: isChallengeable(details, url, book, imagesMayBeChallenged),
  });
}

export function tellSettled(details: { requestId: string }, companion: Companion): void {
  companion.tell("request.settled", { requestId: details.requestId });
}

/** Chrome asks nobody for favicons and prefetches, and for images only those of the page's own site, unless a policy says so. */
function isChallengeable(details: Started, url: URL, book: TabBook, imagesMayBeChallenged: boolean): boolean {
  if (isProbe(details.url)) return true;
  if (details.type === "other") return false;
  if (details.type !== "image" || imagesMayBeChallenged) return true;
  const page =
    book.siteOfDocument(details.documentId) ??
    book.get(details.tabId)?.site ??
    siteOf(details.initiator ?? "");
  return page === siteOfHost(url.hostname);
}
