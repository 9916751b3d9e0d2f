import type { PendingRequest } from "@atlantic/shared/control/messages.ts";
import { siteOf, siteOfHost } from "@atlantic/shared/routing/site.ts";
import type { Browser } from "wxt/browser";
import type { Companion } from "./companion.ts";
import { isProbe } from "./image-policy.ts";
import type { TabBook } from "./tab-book.ts";

type Notice = PendingRequest;
type Started = Browser.webRequest.OnBeforeRequestDetails;

const defaultPorts: Record<string, number> = { "http:": 80, "ws:": 80, "https:": 443, "wss:": 443 };
const MAX_UNDER_WAY = 2_000;

/**
 * Tells the companion which requests may be waiting for a tunnel: it challenges only for those, so that no challenge
 * can become a dialog. A notice never decides a route.
 */
export class RequestNotices {
  readonly #companion: Companion;
  readonly #book: TabBook;
  readonly #underWay = new Map<string, Notice>();

  constructor(companion: Companion, book: TabBook) {
    this.#companion = companion;
    this.#book = book;
  }

  started(details: Started, imagesMayBeChallenged: boolean): void {
    const notice = noticeOf(details, this.#book, imagesMayBeChallenged);
    if (!notice) return;
    this.#underWay.set(notice.requestId, notice);
    const [oldest] = this.#underWay.keys();
    if (this.#underWay.size > MAX_UNDER_WAY && oldest !== undefined) this.#underWay.delete(oldest);
    this.#companion.tell("request.started", notice);
  }

  settled({ requestId }: { requestId: string }): void {
    if (this.#underWay.delete(requestId)) this.#companion.tell("request.settled", { requestId });
  }

  /** The companion has not heard of what began while it was away, or while this background was asleep. */
  tellAgain(): void {
    for (const notice of this.#underWay.values()) this.#companion.tell("request.started", notice);
  }
}

function noticeOf(details: Started, book: TabBook, imagesMayBeChallenged: boolean): Notice | undefined {
  const url = new URL(details.url);
  const port = url.port === "" ? defaultPorts[url.protocol] : Number(url.port);
  if (port === undefined || (url.protocol === "http:" && details.tabId >= 0)) return undefined;
  return {
    requestId: details.requestId,
    tabId: details.tabId,
    frameId: details.frameId,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port,
    challengeable: isChallengeable(details, url, book, imagesMayBeChallenged),
  };
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
