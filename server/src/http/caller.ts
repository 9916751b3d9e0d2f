import type { IncomingMessage } from "node:http";
import type { Auth } from "../auth/auth.ts";
import type { SessionReader } from "../auth/session-reader.ts";
import type { Cache } from "../cache/cache.ts";
import type { CredentialVerifier } from "../gateway/credential.ts";
import type { Caller, Principal } from "../services/caller.ts";
import { ServiceError } from "../services/errors.ts";
import type { ClientAddress } from "./client-address.ts";
import { refuseCrossSite } from "./cross-site.ts";

/** Says who sends a request: null when nobody is known by it. */
export type CallerOf = (request: IncomingMessage) => Promise<Caller | null>;

/** Wrong passwords of one address in this time … */
const FAILURE_WINDOW_MS = 60_000;
/** … after which it is not listened to for the rest of it. */
const MAX_FAILURES = 20;

interface CallerParts {
  readonly auth: Auth;
  readonly sessions: SessionReader;
  readonly verifier: CredentialVerifier;
  readonly cache: Cache;
  readonly addressOf: ClientAddress;
}

/**
 * Reads the caller from the session cookie, or from HTTP Basic with a gateway credential (RFC 7617).
 *
 * The returned function throws ServiceError: not_signed_in for a wrong credential, too_many after too many of those,
 * not_allowed when another site made a browser send the cookie.
 */
export function createCallerOf(parts: CallerParts): CallerOf {
  return async (request) => {
    const principal = await principalOf(request, parts);
    if (principal === null) return null;
    return {
      principal,
      address: parts.addressOf(request),
      userAgent: request.headers["user-agent"] ?? null,
      requestId: headerText(request, "x-request-id"),
    };
  };
}

async function principalOf(request: IncomingMessage, parts: CallerParts): Promise<Principal | null> {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) {
    return basicPrincipal(authorization, parts.addressOf(request), parts.verifier, parts.cache);
  }
  if (cookie === undefined) return null;
  const session = await parts.sessions.read(parts.auth, cookie);
  if (session === null) return null;
  refuseCrossSite(request);
  return { kind: "session", ...session };
}

async function basicPrincipal(
  authorization: string,
  address: string | null,
  verifier: CredentialVerifier,
  cache: Cache,
): Promise<Principal> {
  const failures = `basic-failures:${address ?? "unknown"}`;
  if (Number((await cache.get(failures)) ?? 0) >= MAX_FAILURES) {
    throw new ServiceError("too_many", "Too many wrong passwords came from this address. Wait a minute.");
  }
  const pair = readBasic(authorization);
  const credential = pair && (await verifier.verify(pair.username, pair.password));
  if (credential) return { kind: "credential", userId: credential.userId, credentialId: credential.id };
  await cache.increment(failures, FAILURE_WINDOW_MS);
  throw new ServiceError("not_signed_in", "There is no live credential with this user name and password.");
}

function readBasic(authorization: string): { username: string; password: string } | null {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return null;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function headerText(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}
