import { dateNow } from "./date-now.ts";
import type { Head } from "./head.ts";

const sensitive: ReadonlySet<string> = new Set(["proxy-authorization", "authorization", "cookie", "cookie2"]);

/** The answer to OPTIONS or TRACE that may go no further (RFC 9110 §7.6.2, §9.3.7, §9.3.8). */
export function forwardsEnded(method: string, head: Head): string {
  if (method !== "TRACE")
    return `HTTP/1.1 204 No Content\r\nDate: ${dateNow()}\r\nAllow: *\r\nConnection: close\r\n\r\n`;
  const fields = head.fields.filter(({ lower }) => !sensitive.has(lower));
  const body = [head.startLine, ...fields.map(({ name, value }) => `${name}: ${value}`), "", ""].join("\r\n");
  return `HTTP/1.1 200 OK\r\nDate: ${dateNow()}\r\nContent-Type: message/http\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
