import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import {
  ATTRIBUTION_HEADER,
  type Attribution,
  parseAttribution,
} from "@atlantic/shared/control/attribution.ts";
import { errorText, ProxyError, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { agreesAsPlain, routeOf } from "../browsers/plan-rules.ts";
import { checkAttribution, type Identified } from "./attribution-check.ts";
import type { TunnelParts } from "./connect-handler.ts";
import { endToEndHeaders } from "./end-to-end-headers.ts";
import type { OpenFlow, Target } from "./open-flows.ts";
import { refuse } from "./refusal-page.ts";

const STRANGER =
  "This request does not come from a tab that Atlantic Proxy knows, so it was not sent anywhere. Reload the page; if this stays, open the extension's popup and check that it is connected.";

const REFUSED_CREDENTIAL =
  "The way to the exits refused this companion's credential. Check it in the companion's configuration.";

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
    const found = await this.#identify(request, gone.signal);
    if (gone.signal.aborted) return;
    if (!found) return refuse(response, 403, "Not sent", STRANGER);
    if (found.route.kind === "block") {
      return refuse(
        response,
        403,
        "Blocked",
        "The route of this tab blocks its traffic. Choose another in the popup.",
      );
    }
    this.#send(request, response, url, found);
  }

  async #identify(request: IncomingMessage, signal: AbortSignal): Promise<Identified | undefined> {
    const { registry } = this.#parts;
    const header = request.headers[ATTRIBUTION_HEADER];
    const [, token, text] =
      /^([0-9a-f]{48})\/(.{1,600})$/.exec(typeof header === "string" ? header : "") ?? [];
    const browser = token && registry.byHeaderToken(token);
    const attribution = text && alone(parseAttribution(text));
    if (!browser || !attribution) return undefined;
    const route = browser.plan && routeOf(browser.plan, attribution.routeId);
    if (browser.plan && route && agreesAsPlain(browser.plan, attribution))
      return { browser, attribution, route };
    return checkAttribution(registry, browser, attribution, signal);
  }

  #send(request: IncomingMessage, response: ServerResponse, url: URL, found: Identified): void {
    const { browser, attribution, route } = found;
    if (route.kind === "block") return;
    const target = targetOf(url);
    const path = this.#parts.dialer.plain(route, attribution.routeId, target);
    if (route.kind === "exit") this.#parts.usage.countRequest();
    const isForwarded = path.proxyAuthorization !== null;
    const outgoing = httpRequest({
      agent: path.agent,
      host: path.host,
      port: path.port,
      method: request.method ?? "GET",
      path: isForwarded ? url.href : `${url.pathname}${url.search}`,
      headers: outgoingHeaders(request, url, path.proxyAuthorization),
      setHost: false,
    });
    const flow: OpenFlow = { browser, attribution, target, close: () => cut() };
    const cut = () => {
      outgoing.destroy();
      response.destroy();
    };
    this.#parts.flows.add(flow);
    response.once("close", () => {
      this.#parts.flows.delete(flow);
      if (!response.writableFinished) outgoing.destroy();
    });
    outgoing.on("continue", () => response.writeContinue());
    outgoing.on("response", (incoming) => answer(incoming, response, request.method));
    outgoing.on("error", (error) => fail(response, error));
    pipeline(request, outgoing, () => {});
  }
}

/** A plain request is decided by itself, on whatever connection it comes: no other request can go where it went. */
function alone(attribution: Attribution | undefined): Attribution | undefined {
  return attribution?.kind === "tab" ? { ...attribution, own: true } : attribution;
}

/** Only `http:` with a host: anything else is not a plain proxy request (RFC 9112 §3.2.2). */
function absoluteUrl(text: string | undefined): URL | undefined {
  const url = text?.startsWith("http://") ? URL.parse(text) : null;
  return url?.hostname ? url : undefined;
}

function targetOf({ hostname, port }: URL): Target {
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
}

function outgoingHeaders(request: IncomingMessage, url: URL, proxyAuthorization: string | null): string[] {
  const framing = request.headers["transfer-encoding"] === undefined ? [] : ["Transfer-Encoding", "chunked"];
  const login = proxyAuthorization === null ? [] : ["Proxy-Authorization", proxyAuthorization];
  // The URL decides the host, whatever the request's own Host says (RFC 9112 §3.2.2).
  return ["Host", url.host, ...endToEndHeaders(request.rawHeaders, ["host"]), ...framing, ...login];
}

function answer(incoming: IncomingMessage, response: ServerResponse, method: string | undefined): void {
  if (incoming.statusCode === 407) {
    incoming.resume();
    refuse(response, 502, "The exit was not reached", REFUSED_CREDENTIAL);
    return;
  }
  const status = incoming.statusCode ?? 0;
  if (status < 200) {
    incoming.destroy();
    fail(response, new ProxyError("bad_response"));
    return;
  }
  const headers = endToEndHeaders(incoming.rawHeaders);
  if (incoming.headers["transfer-encoding"] !== undefined && method !== "HEAD") {
    headers.push("Transfer-Encoding", "chunked");
  }
  response.writeHead(status, writableReason(incoming.statusMessage), headers);
  pipeline(incoming, response, () => {});
}

/** Node reads reason phrases that it throws on when it is to write them; the status code says all that matters. */
function writableReason(reason = ""): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(reason) ? reason : "";
}

function fail(response: ServerResponse, error: unknown): void {
  const problem = proxyErrorOf(error);
  const { httpStatus } = proxyErrors[problem.code];
  refuse(response, httpStatus === 407 ? 502 : httpStatus, "The site was not reached", errorText(problem));
}
