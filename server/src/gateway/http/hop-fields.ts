/**
 * Fields that are for this hop alone, whether `Connection` names them or not (RFC 9110 §7.6.1), and those by which a
 * proxy speaks in its own name: a target's must not pass for ours.
 */
export const hopFields: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "proxy-status",
  "te",
  "transfer-encoding",
  "upgrade",
]);
