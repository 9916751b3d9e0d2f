import { errorText, type ProxyError, proxyErrors, proxyStatusValue } from "@atlantic/shared/errors.ts";
import { RETRY_AFTER_SECONDS } from "../attempt-throttle.ts";
import { dateNow } from "./date-now.ts";

const reasons: Record<number, string> = {
  400: "Bad Request",
  403: "Forbidden",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  414: "URI Too Long",
  417: "Expectation Failed",

  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

export interface ErrorAnswerOptions {
  readonly requestId: string;
  readonly close: boolean;
  /** Whether the request was HEAD, whose answer has no body. */
  readonly head: boolean;
  /** The status of `quota_exhausted`. Default: the table's, 403. */
  readonly quotaStatus?: QuotaStatus;
}

/** 407 is what some providers send when traffic is used up; browsers and libraries ask for a password then. */
export type QuotaStatus = 403 | 407;

/** The status of an error, as this gateway is set up. */
export function statusOf({ code }: ProxyError, quotaStatus: QuotaStatus | undefined): number {
  return code === "quota_exhausted" && quotaStatus !== undefined ? quotaStatus : proxyErrors[code].httpStatus;
}

/** The whole answer for a row of the error table: `Proxy-Status` tells it from any answer of the target. */
export function errorAnswer(
  error: ProxyError,
  { requestId, close, head, quotaStatus }: ErrorAnswerOptions,
): string {
  const httpStatus = statusOf(error, quotaStatus);
  const body = `${errorText(error)}\n`;
  const lines = [
    `HTTP/1.1 ${httpStatus} ${reasons[httpStatus] ?? "Error"}`,
    `Date: ${dateNow()}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    `Proxy-Status: ${proxyStatusValue(error)}`,
    `X-Atlantic-Request-Id: ${requestId}`,
  ];
  if (httpStatus === 407) lines.push('Proxy-Authenticate: Basic realm="Atlantic Proxy", charset="UTF-8"');
  if (httpStatus === 429) {
    lines.push(`Retry-After: ${error.code === "request_limit" ? 1 : RETRY_AFTER_SECONDS}`);
  }
  if (close) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n${head ? "" : body}`;
}
