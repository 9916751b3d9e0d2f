import { ProxyError } from "@atlantic/shared/errors.ts";

/** What an HTTP/2 request asks for, in its pseudo-header fields (RFC 9113 §8.3.1, RFC 8441 §4). */
export interface StreamRequest {
  readonly method: string;
  readonly authority: string;
  readonly scheme: string;
  readonly path: string;
  /** Of an extended CONNECT. */
  readonly protocol: string | undefined;
  /** Name and value in turns, as HTTP/1.1 has them: `Host` is the first, cookies are one field. */
  readonly fields: readonly string[];
}

/** @param raw name and value in turns @throws ProxyError `malformed_request` */
export function readStreamRequest(raw: readonly string[]): StreamRequest {
  const pseudo = new Map<string, string>();
  const fields: string[] = [];
  const cookies: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    if (name.startsWith(":")) pseudo.set(name, value);
    else if (name === "cookie") cookies.push(value);
    else if (!replaced.has(name)) fields.push(name, value);
  }
  // RFC 9113 §8.2.3: crumbs of one cookie field.
  if (cookies.length > 0) fields.push("cookie", cookies.join("; "));
  const authority = pseudo.get(":authority") ?? "";
  const path = pseudo.get(":path") ?? "";
  if (!isVisible(authority) || !/^[\x21-\x7e\x80-\xff]*$/.test(path)) {
    throw new ProxyError("malformed_request", "The request's authority or path cannot be read.");
  }
  return {
    method: pseudo.get(":method") ?? "",
    authority,
    scheme: pseudo.get(":scheme") ?? "",
    path,
    protocol: pseudo.get(":protocol"),
    fields: ["host", authority, ...fields],
  };
}

/** Written anew for the next hop, or of HTTP/1.1 connections only. */
const replaced: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

function isVisible(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** The address as HTTP/1.1 has it in a request to a proxy (RFC 9112 §3.2.2). */
export function absoluteForm({ scheme, authority, path }: StreamRequest): string {
  // RFC 9112 §3.2.4: a proxy is asked for the server itself without a path.
  return `${scheme}://${authority}${path === "*" ? "" : path}`;
}
