import type { ProxyErrorCode } from "@atlantic/shared/errors.ts";

/** Why a client did not get what it asked for, in as few words as alarms are made of. */
export type ErrorReason =
  /** A login that is not right. */
  | "auth"
  /** No login at all: how many programs begin, before they show theirs. */
  | "no_login"
  | "quota"
  | "limits"
  /** A target that may not be reached. */
  | "target"
  /** Nothing that can be carried out. */
  | "request"
  /** A target that may, and could not. */
  | "unreachable"
  /** An upstream that failed, or none that fits. */
  | "upstream"
  /** Ourselves. */
  | "gateway";

/** Every code of the error table has its reason. */
export const errorReasons: Readonly<Record<ProxyErrorCode, ErrorReason>> = {
  malformed_request: "request",
  bad_username: "request",
  uri_too_long: "request",
  header_too_large: "request",
  header_timeout: "request",
  body_timeout: "request",
  expectation_failed: "request",
  loop: "request",
  not_implemented: "request",
  command_unsupported: "request",
  address_type_unsupported: "request",
  authentication_required: "no_login",
  wrong_credentials: "auth",
  too_many_attempts: "auth",
  quota_exhausted: "quota",
  connection_limit: "limits",
  request_limit: "limits",
  target_not_allowed: "target",
  forbidden_address: "target",
  forbidden_port: "target",
  forbidden_target: "target",
  no_exit: "upstream",
  session_lost: "upstream",
  tls_failed: "upstream",
  upstream_denied: "upstream",
  upstream_unreachable: "upstream",
  upstream_timeout: "upstream",
  upstream_failed: "upstream",
  connection_refused: "unreachable",
  dns_error: "unreachable",
  unroutable: "unreachable",
  connection_terminated: "unreachable",
  bad_response: "unreachable",
  response_incomplete: "unreachable",
  connection_timeout: "unreachable",
  response_timeout: "unreachable",
  closing: "gateway",
  internal: "gateway",
};
