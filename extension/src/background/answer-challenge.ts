import { type Attribution, formatAttribution, parseRealm } from "@atlantic/shared/control/attribution.ts";
import { formatProof } from "@atlantic/shared/control/proof.ts";
import { decide } from "@atlantic/shared/routing/decide.ts";
import { challengerOf } from "@atlantic/shared/routing/pac.ts";
import { BLOCK, routeId } from "@atlantic/shared/routing/route.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import type { Browser } from "wxt/browser";
import type { Welcome } from "./companion.ts";
import { type Sender, type StrayParts, straySender } from "./stray-sender.ts";
import type { TabBook } from "./tab-book.ts";

type Details = Browser.webRequest.OnAuthRequiredDetails;
type Answer = Browser.webRequest.BlockingResponse;

export interface ChallengeParts extends StrayParts {
  readonly book: TabBook;
  readonly welcome: () => Welcome | null;
}

const BLOCKED = routeId(BLOCK);
const LEFT_ALONE: Answer = {};
const REFUSED: Answer = { cancel: true };

/** Answers our companion's challenges, and leaves every other one to the browser. */
export function answerChallenge(details: Details, parts: ChallengeParts): Answer {
  const welcome = parts.welcome();
  const challenge = parseRealm(details.realm ?? "");
  if (!details.isProxy || !welcome || !challenge) return LEFT_ALONE;
  const naming = challengerOf(details.challenger.host, details.challenger.port, welcome.proxyPort);
  if (!naming) return LEFT_ALONE;
  const sender = senderOf(details, parts);
  if (!sender || sender.routeId === BLOCKED) return REFUSED;
  // The companion takes a steady answer only under a steady plan of the same route, and asks again under any other.
  const attribution: Attribution | undefined =
    challenge.kind === "steady" ? { kind: "steady", routeId: sender.routeId } : once(sender, naming, parts);
  if (!attribution) return REFUSED;
  return {
    authCredentials: {
      username: formatAttribution(attribution),
      password: formatProof(welcome.proxySecret, challenge),
    },
  };
}

function once(
  sender: Sender,
  naming: "shared" | "own",
  { conductor }: ChallengeParts,
): Attribution | undefined {
  const { tabId, site, routeId: id } = sender;
  if (naming === "shared" && !conductor.claim(site, id)) return undefined;
  if (tabId === null) return { kind: "worker", site, routeId: id };
  const attribution = { kind: "tab" as const, tabId, site, routeId: id };
  return naming === "own" ? { ...attribution, own: true } : attribution;
}

function senderOf(details: Details, parts: ChallengeParts): Sender | undefined {
  return details.tabId >= 0 ? tabSender(details, parts) : straySender(siteOf(details.initiator ?? ""), parts);
}

/** A request goes the way of the page that asks, or, for a page that is being loaded, of that page. */
function tabSender(details: Details, { book, rules }: ChallengeParts): Sender | undefined {
  const tab = book.get(details.tabId);
  const site = siteOfPage(details, book);
  if (!tab || site === null) return undefined;
  return { tabId: details.tabId, site, routeId: decide(rules(), tab.rule, site).routeId };
}

function siteOfPage(details: Details, book: TabBook): string | null {
  if (details.type === "main_frame") return siteOf(details.url);
  return (
    book.siteOfDocument(details.documentId) ??
    book.siteOfDocument(details.parentDocumentId) ??
    book.get(details.tabId)?.site ??
    siteOf(details.initiator ?? "")
  );
}
