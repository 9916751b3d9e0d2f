import { hopFields } from "./hop-fields.ts";

/**
 * Fields that mean something before the body is read: whoever merged one of these out of a trailer section could be
 * made to frame, route, authenticate or store the message in another way (RFC 9110 §6.5.1).
 */
const headerOnly: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "set-cookie",
  "trailer",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

/** Whether a field of a trailer section goes on to the next hop. @param lower the field's name in lower case */
export function isTrailerField(lower: string): boolean {
  return !headerOnly.has(lower) && !hopFields.has(lower) && !/^(?:x-atlantic-|proxy-)/.test(lower);
}
