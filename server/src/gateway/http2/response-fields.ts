import type { OutgoingHttpHeaders } from "node:http2";

/** Fields of an HTTP/1.1 connection, which HTTP/2 has no place for (RFC 9113 §8.2.2). */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Fields that may be there once only: of several the first holds. */
const single: ReadonlySet<string> = new Set(["content-length", "content-type", "date", "location", "etag"]);

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
    if (ofConnection.has(name) || without?.has(name)) continue;
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (!single.has(name)) found[name] = [...(Array.isArray(before) ? before : [String(before)]), value];
  }
  return found;
}
