import type { IncomingMessage, ServerResponse } from "node:http";
import {
  ATTRIBUTION_HEADER,
  type Attribution,
  parseAttribution,
} from "@atlantic/shared/control/attribution.ts";
import type { Browser } from "../browsers/browser.ts";
import { agreesAsPlain, isOutdated, routeOf } from "../browsers/plan-rules.ts";
import { checkAttribution, type Identified } from "./attribution-check.ts";
import type { TunnelParts } from "./connect-handler.ts";
import { absoluteUrl, forwardPlain } from "./forward-plain.ts";
import { refuse } from "./refusal-page.ts";

const STRANGER =
  "This request does not come from a tab that Atlantic Proxy knows, so it was not sent anywhere. Reload the page; if this stays, open the extension's popup and check that it is connected.";

/** What a request says of itself, with the token that only its browser has. */
interface Sender {
  readonly browser: Browser;
  readonly attribution: Attribution;
}

/** Plain http: each request says by a header whose it is, and each is decided by itself. */
export class PlainHandler {
  readonly #parts: TunnelParts;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = absoluteUrl(request.url);
    if (!url) {
      const sentence =
        "This is the local proxy of Atlantic Proxy. It serves browsers, and has no pages of its own.";
      return refuse(response, 400, "Nothing to see here", sentence);
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await this.#parts.names.prepareForRequests();
    const sender = this.#senderOf(request);
    const found = sender && (await this.#identify(sender, gone.signal));
    if (gone.signal.aborted) return;
    if (found) return forwardPlain(this.#parts, request, response, url, found);
    if (sender && isPageAskedAgain(sender, request)) return void response.destroy();
    refuse(response, 403, "Not sent", STRANGER);
  }

  #senderOf(request: IncomingMessage): Sender | undefined {
    const header = request.headers[ATTRIBUTION_HEADER];
    const [, token, text] =
      /^([0-9a-f]{48})\/(.{1,600})$/.exec(typeof header === "string" ? header : "") ?? [];
    const browser = token && this.#parts.registry.byHeaderToken(token);
    const attribution = text && alone(parseAttribution(text));
    return browser && attribution ? { browser, attribution } : undefined;
  }

  async #identify({ browser, attribution }: Sender, signal: AbortSignal): Promise<Identified | undefined> {
    const route = browser.plan && routeOf(browser.plan, attribution.routeId);
    if (browser.plan && route && agreesAsPlain(browser.plan, attribution))
      return { browser, attribution, route };
    return checkAttribution(this.#parts.registry, browser, attribution, signal);
  }
}

/**
 * Whether a request is from before its tab turned, as Chrome repeats one whose connection was closed: it ends as the flows
 * end that were open then, and the extension loads its page again by the new way. A page in its place would stay.
 */
function isPageAskedAgain({ browser, attribution }: Sender, { method }: IncomingMessage): boolean {
  return method === "GET" && browser.plan !== null && isOutdated(browser.plan, attribution);
}

/** A plain request is decided by itself, on whatever connection it comes: no other request can go where it went. */
function alone(attribution: Attribution | undefined): Attribution | undefined {
  return attribution?.kind === "tab" ? { ...attribution, own: true } : attribution;
}
