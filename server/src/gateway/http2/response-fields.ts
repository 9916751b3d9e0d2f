import type { OutgoingHttpHeaders } from "node:http2";

/** Fields of an HTTP/1.1 connection, which HTTP/2 has no place for (RFC 9113 §8.2.2). */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "te",
]);

/** Fields of which Node sends one only: of several the first holds. */
const single: ReadonlySet<string> = new Set([
  "access-control-allow-credentials",
  "access-control-max-age",
  "access-control-request-method",
  "age",
  "authorization",
  "content-length",
  "content-location",
  "content-md5",
  "content-range",
  "content-type",
  "date",
  "dnt",
  "etag",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "range",
  "referer",
  "retry-after",
  "status",
  "tk",
  "upgrade-insecure-requests",
  "user-agent",
  "x-content-type-options",
]);

/** Lists that Node wants in one field. */
const joined: ReadonlySet<string> = new Set(["content-encoding", "content-language"]);

/**
 * @param fields name and value in turns
 * @returns the header section of an HTTP/2 answer
 */
export function responseFields(
  status: number,
  fields: readonly string[],
  without?: ReadonlySet<string>,
): OutgoingHttpHeaders {
  const found: OutgoingHttpHeaders = { ":status": status };
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = (fields[index] ?? "").toLowerCase();
    const value = fields[index + 1] ?? "";
    if (ofConnection.has(name) || without?.has(name) || name === "__proto__") continue;
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (joined.has(name)) found[name] = `${String(before)}, ${value}`;
    else if (!single.has(name)) found[name] = [...(Array.isArray(before) ? before : [String(before)]), value];
  }
  return found;
}
