import type { IncomingMessage } from "node:http";
import { ServiceError } from "../services/errors.ts";

/** A script of another site cannot set this header without asking first, and nobody is given leave. */
const OWN_REQUEST_HEADER = "x-atlantic-request";

/**
 * Refuses what another site made a browser send with our cookie. Needed only where a cookie says who asks.
 * Browsers of today name the site (Sec-Fetch-Site) or the origin of a request; a client that names neither has to
 * send the header of our own pages.
 *
 * @throws ServiceError not_allowed
 */
export function refuseCrossSite(request: Pick<IncomingMessage, "method" | "headers">): void {
  const { headers } = request;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") throw crossSite();
  if (headers.origin !== undefined && !isOwnOrigin(headers.origin, headers.host)) throw crossSite();
  if (request.method === "GET" || request.method === "HEAD") return;
  if (!/^application\/json\b/i.test(headers["content-type"] ?? "")) throw crossSite();
  const named = site !== undefined || headers.origin !== undefined;
  if (!named && headers[OWN_REQUEST_HEADER] === undefined) throw crossSite();
}

function isOwnOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function crossSite(): ServiceError {
  return new ServiceError(
    "not_allowed",
    `This request did not come from the web page. Programs send ${OWN_REQUEST_HEADER}: 1, or use a credential.`,
  );
}
