import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { errorText, ProxyError, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import { ruleText } from "../dns/urls/rule-text.ts";
import type { CarryParts, FlowFilter } from "./connect-handler.ts";
import { endToEndHeaders } from "./end-to-end-headers.ts";
import type { FlowOwner, OpenFlow, Target } from "./open-flows.ts";
import { refuse } from "./refusal-page.ts";
import { requestFacts } from "./request-facts.ts";
import { sitesOf } from "./sites-of.ts";

const REFUSED_CREDENTIAL =
  "The way to the exits refused this companion's credential. Check it in the companion's configuration.";

/** Only `http:` with a host: anything else is not a plain proxy request (RFC 9112 §3.2.2). */
export function absoluteUrl(text: string | undefined): URL | undefined {
  const url = text?.startsWith("http://") ? URL.parse(text) : null;
  return url?.hostname ? url : undefined;
}

/** Sends one plain request by its owner's route, and the answer back. */
export function forwardPlain(
  parts: CarryParts,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  owner: FlowOwner,
): void {
  const { browser, attribution, route } = owner;
  if (route.kind === "block") {
    refuse(
      response,
      403,
      "Blocked",
      "The route of this tab blocks its traffic. Choose another in the popup.",
    );
    return;
  }
  const target = targetOf(url);
  const blocked = filtered(parts.names, request, url, sitesOf(owner));
  if (blocked !== undefined) {
    refuse(response, 403, "Blocked", blocked);
    return;
  }
  const path = parts.dialer.plain(route, attribution.routeId, target);
  if (route.kind === "exit") parts.usage.countRequest();
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
  parts.flows.add(flow);
  response.once("close", () => {
    parts.flows.delete(flow);
    if (!response.writableFinished) outgoing.destroy();
  });
  outgoing.on("continue", () => response.writeContinue());
  outgoing.on("response", (incoming) => answer(incoming, response, request.method));
  outgoing.on("error", (error) => fail(response, error));
  pipeline(request, outgoing, () => {});
}

/** Why a filter list keeps a request, for people; undefined when none does. */
function filtered(
  names: FlowFilter,
  { method = "GET", headers }: IncomingMessage,
  url: URL,
  sites: readonly string[],
): string | undefined {
  const { host } = targetOf(url);
  if (names.blocksFlow(host, sites))
    return `${host} is on a filter list. atlantic dns why ${host} says which.`;
  const found = names.blocksRequest(requestFacts(url, method, headers, sites), sites);
  return found && `The filter list ${found.list} blocks this address by its rule ${ruleText(found.rule)}.`;
}

export function targetOf({ hostname, port }: URL): Target {
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
