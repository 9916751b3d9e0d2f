/**
 * The one error table: what the gateway (and the companion's local proxy) answers, whichever protocol the client
 * speaks. Codes are stable: clients and statistics may depend on them.
 */

/** Error types of RFC 9209 §2.3 that a code of ours maps to. */
export type ProxyStatusError =
  | "connection_limit_reached"
  | "connection_refused"
  | "connection_terminated"
  | "connection_timeout"
  | "destination_ip_prohibited"
  | "destination_ip_unroutable"
  | "destination_unavailable"
  | "dns_error"
  | "http_protocol_error"
  | "http_request_denied"
  | "http_request_error"
  | "http_response_incomplete"
  | "http_response_timeout"
  | "proxy_configuration_error"
  | "proxy_internal_error"
  | "proxy_loop_detected"
  | "tls_protocol_error";

/**
 * What a SOCKS5 client is told: a reply code of RFC 1928 §6, or a refused sub-negotiation (RFC 1929 §2),
 * after which the connection is closed.
 */
export type SocksAnswer = number | "authentication";

export interface ProxyErrorRow {
  readonly httpStatus: number;
  readonly proxyStatus: ProxyStatusError;
  readonly socks: SocksAnswer;
  /** For people: what happened and what to do. */
  readonly sentence: string;
}

export const proxyErrors = {
  malformed_request: {
    httpStatus: 400,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The request is not one that a proxy can forward. Send an absolute URL, or CONNECT host:port.",
  },
  bad_username: {
    httpStatus: 400,
    proxyStatus: "http_request_error",
    socks: "authentication",
    sentence: "The proxy user name asks for something that cannot be read. Correct the part that is named.",
  },
  uri_too_long: {
    httpStatus: 414,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The request's address is too long. Shorten it to under 8 KiB.",
  },
  header_too_large: {
    httpStatus: 431,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The request's header is too large. Send at most 100 fields and 16 KiB.",
  },
  header_timeout: {
    httpStatus: 408,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The request's header did not arrive in time. Send it again, faster.",
  },
  body_timeout: {
    httpStatus: 408,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The request's body came too slowly. Send it again, faster.",
  },
  expectation_failed: {
    httpStatus: 417,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence: "The target speaks HTTP/1.0 and cannot say 100 (Continue). Send the request without Expect.",
  },
  loop: {
    httpStatus: 502,
    proxyStatus: "proxy_loop_detected",
    socks: 0x01,
    sentence: "The request has come through this proxy before. The operator must correct the exits.",
  },
  not_implemented: {
    httpStatus: 501,
    proxyStatus: "http_request_error",
    socks: 0x01,
    sentence:
      "The request uses something that this proxy does not do. Only chunked transfer coding is known.",
  },
  command_unsupported: {
    httpStatus: 501,
    proxyStatus: "http_request_denied",
    socks: 0x07,
    sentence: "Only SOCKS5 CONNECT is offered. Use TCP, or turn UDP off in the client.",
  },
  address_type_unsupported: {
    httpStatus: 400,
    proxyStatus: "http_request_error",
    socks: 0x08,
    sentence: "The address type is unknown. Use an IPv4 address, an IPv6 address or a name.",
  },
  authentication_required: {
    httpStatus: 407,
    proxyStatus: "http_request_denied",
    socks: "authentication",
    sentence: "A proxy user name and password are needed. Find yours under Credentials in your account.",
  },
  wrong_credentials: {
    httpStatus: 407,
    proxyStatus: "http_request_denied",
    socks: "authentication",
    sentence:
      "The proxy user name or password is wrong, or the credential was revoked. Check it under Credentials.",
  },
  too_many_attempts: {
    httpStatus: 429,
    proxyStatus: "http_request_denied",
    socks: "authentication",
    sentence: "Too many wrong passwords came from this address. Wait a minute, then try the right one.",
  },
  quota_exhausted: {
    httpStatus: 403,
    proxyStatus: "http_request_denied",
    socks: 0x02,
    sentence: "The traffic of this account is used up. Top it up, and the next connection works again.",
  },
  connection_limit: {
    httpStatus: 429,
    proxyStatus: "connection_limit_reached",
    socks: 0x02,
    sentence: "This credential has too many connections open. Close some, or wait, and try again.",
  },
  request_limit: {
    httpStatus: 429,
    proxyStatus: "http_request_denied",
    socks: 0x02,
    sentence: "This credential's limit of requests per second is reached. Wait a second and try again.",
  },
  target_not_allowed: {
    httpStatus: 403,
    proxyStatus: "http_request_denied",
    socks: 0x02,
    sentence:
      "This credential may not reach this target. Change its limits under Credentials, or use another one.",
  },
  forbidden_address: {
    httpStatus: 403,
    proxyStatus: "destination_ip_prohibited",
    socks: 0x02,
    sentence: "The target is a private or reserved address, which exits never reach. Use a public one.",
  },
  forbidden_port: {
    httpStatus: 403,
    proxyStatus: "http_request_denied",
    socks: 0x02,
    sentence: "The target's port is closed here, because it is used to send spam. Use another port.",
  },
  forbidden_target: {
    httpStatus: 403,
    proxyStatus: "http_request_denied",
    socks: 0x02,
    sentence: "The upstream provider does not carry traffic to this target. Use another target.",
  },
  no_exit: {
    httpStatus: 503,
    proxyStatus: "destination_unavailable",
    socks: 0x01,
    sentence: "No exit fits the place that was asked for. Widen the choice or pick a listed exit.",
  },
  session_lost: {
    httpStatus: 502,
    proxyStatus: "connection_terminated",
    socks: 0x01,
    sentence: "The exit of this session is gone. Start a new session to get another address.",
  },
  connection_refused: {
    httpStatus: 502,
    proxyStatus: "connection_refused",
    socks: 0x05,
    sentence: "The target refused the connection. Check its address and port.",
  },
  dns_error: {
    httpStatus: 502,
    proxyStatus: "dns_error",
    socks: 0x04,
    sentence: "The target's name has no address. Check its spelling.",
  },
  unroutable: {
    httpStatus: 502,
    proxyStatus: "destination_ip_unroutable",
    socks: 0x03,
    sentence: "The exit knows no way to the target's address. Try another exit.",
  },
  connection_terminated: {
    httpStatus: 502,
    proxyStatus: "connection_terminated",
    socks: 0x01,
    sentence: "The target closed the connection before it had answered. Try again.",
  },
  bad_response: {
    httpStatus: 502,
    proxyStatus: "http_protocol_error",
    socks: 0x01,
    sentence: "The target's answer is not valid HTTP. Try again, or reach it through CONNECT.",
  },
  response_incomplete: {
    httpStatus: 502,
    proxyStatus: "http_response_incomplete",
    socks: 0x01,
    sentence: "The target's answer broke off. Try again.",
  },
  tls_failed: {
    httpStatus: 502,
    proxyStatus: "tls_protocol_error",
    socks: 0x01,
    sentence: "The secure connection to the upstream proxy failed. The operator must check its certificate.",
  },
  upstream_denied: {
    httpStatus: 502,
    proxyStatus: "proxy_configuration_error",
    socks: 0x01,
    sentence:
      "The upstream provider refused this proxy's own account. The operator must check its credentials.",
  },
  upstream_unreachable: {
    httpStatus: 502,
    proxyStatus: "destination_unavailable",
    socks: 0x01,
    sentence: "The upstream provider cannot be reached. Try again in a moment or pick another exit.",
  },
  upstream_timeout: {
    httpStatus: 504,
    proxyStatus: "connection_timeout",
    socks: 0x04,
    sentence: "The upstream provider did not answer in time. Try again or pick another exit.",
  },
  upstream_failed: {
    httpStatus: 502,
    proxyStatus: "destination_unavailable",
    socks: 0x01,
    sentence: "The upstream provider could not reach the target. Try again or pick another exit.",
  },
  connection_timeout: {
    httpStatus: 504,
    proxyStatus: "connection_timeout",
    socks: 0x04,
    sentence: "The target did not answer in time. Try again or pick another exit.",
  },
  response_timeout: {
    httpStatus: 504,
    proxyStatus: "http_response_timeout",
    socks: 0x04,
    sentence: "The target took the request but did not answer in time. Try again.",
  },
  closing: {
    httpStatus: 503,
    proxyStatus: "destination_unavailable",
    socks: 0x01,
    sentence: "The proxy is shutting down. Try again in a moment.",
  },
  internal: {
    httpStatus: 500,
    proxyStatus: "proxy_internal_error",
    socks: 0x01,
    sentence:
      "Something went wrong inside the proxy. Try again; tell the operator the request id if it stays.",
  },
} as const satisfies Record<string, ProxyErrorRow>;

export type ProxyErrorCode = keyof typeof proxyErrors;

/** An upstream that was tried in vain before the answer, and what became of it. */
export interface FailedHop {
  /** Its name in the configuration. */
  readonly upstream: string;
  readonly error: ProxyError;
}

/** A failure that has a row in the error table. `detail` names the exact cause, for people; never a secret. */
export class ProxyError extends Error {
  readonly code: ProxyErrorCode;
  readonly detail: string | undefined;
  /** All that was tried, where that was more than one. */
  hops: readonly FailedHop[] | undefined;

  constructor(code: ProxyErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail ?? proxyErrors[code].sentence, options);
    this.name = "ProxyError";
    this.code = code;
    this.detail = detail;
  }
}

/** The table's row of any thrown value: what is not a `ProxyError` is our fault. */
export function proxyErrorOf(error: unknown): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError("internal", undefined, { cause: error });
}

/** Codes whose `details` parameter differs from the code, because clients look for the words. */
const detailWords: Partial<Record<ProxyErrorCode, string>> = { session_lost: "session_ip_lost" };

/**
 * The value of `Proxy-Status` (RFC 9209): a member for each upstream that was tried, where those were several, then
 * ours: the error's type and our code, with the cause where there is one.
 */
export function proxyStatusValue(error: ProxyError): string {
  return [...(error.hops ?? []).map(hopStatus), member("atlantic", error)].join(", ");
}

/** The member of an upstream that was tried in vain: for answers that came by another one. */
export function hopStatus({ upstream, error }: FailedHop): string {
  // A token begins with a letter (RFC 8941 §3.3.4); any other name is written as a string.
  return member(/^[a-z][a-z0-9_]*$/.test(upstream) ? upstream : `"${structuredText(upstream)}"`, error);
}

function member(name: string, error: ProxyError): string {
  const code = detailWords[error.code] ?? error.code;
  const details = error.detail === undefined ? code : `${code}: ${error.detail}`;
  return `${name}; error=${proxyErrors[error.code].proxyStatus}; details="${structuredText(details)}"`;
}

/** Text inside the quotes of a structured-field string (RFC 8941 §3.3.3): printable ASCII, escaped. */
function structuredText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, (character) => `\\${character}`);
}

/** What people read in the body of an error: the sentence, and the cause where there is one. */
export function errorText(error: ProxyError): string {
  const { sentence } = proxyErrors[error.code];
  return error.detail === undefined ? sentence : `${error.detail}\n${sentence}`;
}
