import { type Attribution, formatAttribution, parseRealm } from "@atlantic/shared/control/attribution.ts";
import { formatProof } from "@atlantic/shared/control/proof.ts";
import { decide, type Rules } from "@atlantic/shared/routing/decide.ts";
import { challengerOf } from "@atlantic/shared/routing/pac.ts";
import { BLOCK, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";
import { siteOf } from "@atlantic/shared/routing/site.ts";
import type { Browser } from "wxt/browser";
import type { Welcome } from "./companion.ts";
import type { Conductor } from "./conductor.ts";
import type { TabBook } from "./tab-book.ts";

type Details = Browser.webRequest.OnAuthRequiredDetails;
type Answer = Browser.webRequest.BlockingResponse;

export interface ChallengeParts {
  readonly book: TabBook;
  readonly conductor: Conductor;
  readonly rules: () => Rules;
  readonly strays: () => "block" | "everything";
  readonly welcome: () => Welcome | null;
  /** A request that belongs to no tab was not let out. */
  readonly strayBlocked: (site: string | null) => void;
}

/** Whose request it is and where it goes. */
interface Sender {
  readonly tabId: number | null;
  readonly site: string;
  readonly routeId: RouteId;
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
  return details.tabId >= 0 ? tabSender(details, parts) : straySender(details, parts);
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

/**
 * Service and shared workers belong to no tab. Where the site is open under one route, that is the worker's;
 * otherwise nobody can tell, and the person's choice for such requests decides.
 */
function straySender(details: Details, parts: ChallengeParts): Sender {
  const site = siteOf(details.initiator ?? "");
  const routes = new Set(
    parts.conductor
      .wanted()
      .tabs.filter((tab) => tab.site === site)
      .map((tab) => tab.routeId),
  );
  const [only, second] = routes;
  if (only !== undefined && second === undefined) return { tabId: null, site: site ?? "", routeId: only };
  const { mode } = parts.conductor.wanted();
  if (mode.kind === "steady") return { tabId: null, site: site ?? "", routeId: mode.routeId };
  if (site === null || parts.strays() === "everything") {
    return { tabId: null, site: site ?? "", routeId: decide(parts.rules(), null, site).routeId };
  }
  parts.strayBlocked(site);
  return { tabId: null, site, routeId: BLOCKED };
}
