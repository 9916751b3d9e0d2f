import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import { decide } from "@atlantic/shared/routing/decide.ts";
import { BLOCK, routeId } from "@atlantic/shared/routing/route.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import { browser } from "wxt/browser";
import type { RequestWay, RoutedRequest } from "../engine/request-way.ts";
import type { Welcome } from "./companion.ts";
import { type Sender, type StrayParts, straySender } from "./stray-sender.ts";
import type { TabBook } from "./tab-book.ts";

export interface WayParts extends StrayParts {
  readonly book: TabBook;
  readonly enabled: () => boolean;
  /** Waits shortly for a companion that may be on its way. */
  readonly awaitWelcome: () => Promise<Welcome | null>;
  /** Makes a tab known whose creation has not been heard of yet. */
  readonly meet: (tabId: number) => Promise<void>;
}

const REFUSED: RequestWay = { kind: "refused" };

/** The way of one request, in a browser that asks for each. What nobody can tell is refused. */
export async function findWay(request: RoutedRequest, parts: WayParts): Promise<RequestWay> {
  if (!parts.enabled()) return { kind: "untouched" };
  if ((await parts.awaitWelcome()) === null) return REFUSED;
  const sender = await senderOf(request, parts);
  if (!sender || sender.routeId === routeId(BLOCK)) return REFUSED;
  const { conductor } = parts;
  if (!isListed(sender, parts)) await conductor.settle();
  // The companion may have gone, or have come back under another secret, in the meantime.
  const welcome = await parts.awaitWelcome();
  if (!welcome || !conductor.applied) return REFUSED;
  const { proxyHost: host, proxyPort: port, proxySecret: secret } = welcome;
  return { kind: "companion", attribution: attributionOf(sender), host, port, secret };
}

/** The plan that the companion has is right for the sender already. */
function isListed({ tabId, site, routeId: id }: Sender, { conductor }: WayParts): boolean {
  if (tabId === null) return conductor.applied !== null;
  return (
    conductor.applied?.tabs.some((tab) => tab.tabId === tabId && tab.site === site && tab.routeId === id) ??
    false
  );
}

function attributionOf({ tabId, site, routeId: id }: Sender): Attribution {
  // Connections are kept apart by the user name, so each is its tab's own.
  return tabId === null
    ? { kind: "worker", site, routeId: id }
    : { kind: "tab", tabId, site, routeId: id, own: true };
}

async function senderOf(request: RoutedRequest, parts: WayParts): Promise<Sender | undefined> {
  const { tabId, type, url, documentUrl, originUrl } = request;
  if (tabId < 0) return straySender(siteOf(documentUrl ?? originUrl ?? ""), parts);
  const { book, rules } = parts;
  if (!book.get(tabId)) await parts.meet(tabId);
  if (type === "main_frame") {
    book.recall(tabId, url);
    book.isComing(tabId, url);
  }
  const site = type === "main_frame" ? siteOf(url) : await siteOfPage(request, book);
  const tab = book.get(tabId);
  return tab && site !== null ? { tabId, site, routeId: decide(rules(), tab.rule, site).routeId } : undefined;
}

/** A frame goes the way of the page that it is in, whatever site it is of. */
async function siteOfPage(
  { tabId, frameId, documentUrl }: RoutedRequest,
  book: TabBook,
): Promise<string | null> {
  const url =
    frameId === 0
      ? documentUrl
      : (await browser.webNavigation.getFrame({ tabId, frameId: 0 }).catch(() => null))?.url;
  return siteOf(url ?? "") ?? book.get(tabId)?.site ?? null;
}
