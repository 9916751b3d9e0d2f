import { describe, expect, test } from "vitest";
import { type ProviderKind, providerAdapters } from "./provider-adapters.ts";

type Row = readonly [
  kind: ProviderKind,
  status: number,
  said: string | Record<string, string>,
  code: string | undefined,
];

/** What providers say, in their own words, and which row of our table it is. */
const rows: readonly Row[] = [
  ["oxylabs", 400, { "x-error-description": "Unsupported parameters were used." }, "no_exit"],
  ["oxylabs", 403, { "x-error-description": "Access denied: restricted target." }, "forbidden_target"],
  ["oxylabs", 403, "Access denied: restricted ASN", "no_exit"],
  ["oxylabs", 407, { "x-error-description": "Access denied: traffic limit reached." }, "upstream_denied"],
  ["oxylabs", 502, "no exit nodes found (session ended)", "no_exit"],
  ["oxylabs", 502, "session failed, start a new one", "session_lost"],
  ["oxylabs", 502, "Bad Gateway", undefined],
  ["oxylabs", 504, "Gateway Timeout", "connection_timeout"],
  ["oxylabs", 522, "Timeout", "connection_timeout"],
  ["oxylabs", 525, "No Exit Found", "no_exit"],
  ["brightdata", 502, { "x-brd-err-msg": "no peer available" }, "no_exit"],
  ["brightdata", 502, "Proxy Error: server_error Failed to establish connection with peer", "session_lost"],
  ["brightdata", 403, { "x-brd-err-code": "policy_20052" }, "forbidden_target"],
  ["brightdata", 407, { "x-brd-error": "Auth Failed (code: ip_blacklisted)" }, "upstream_denied"],
  ["brightdata", 401, { "x-brd-error": "Auth Failed (code: ip_blacklisted)" }, "upstream_denied"],
  [
    "decodo",
    502,
    "Bad gateway. The session has failed. Please start a new session and try again",
    "session_lost",
  ],
  ["decodo", 407, "Proxy Authentication Required", "upstream_denied"],
  ["iproyal", 410, "Gone", "session_lost"],
  ["iproyal", 503, "No Exits Available", "no_exit"],
  ["iproyal", 504, "Exit Connection Failed", "upstream_failed"],
  ["iproyal", 500, "Internal Error", undefined],
  ["soax", 407, { "x-soax-error": "AUTH_FAILED" }, "upstream_denied"],
  ["soax-rules", 503, { "x-soax-error": "BOUND_NODE_FAILED" }, "session_lost"],
  ["soax-rules", 400, { "x-soax-error": "ERR_INVALID_VALUE" }, "no_exit"],
  ["soax-rules", 400, { "x-soax-error": "ERR_PARAM_NOT_ALLOWED" }, "upstream_denied"],
  ["webshare", 407, "", "upstream_denied"],
  ["dataimpulse", 503, "NO_RAY", "no_exit"],
  ["dataimpulse", 407, "TRAFFIC_EXHAUSTED", "upstream_denied"],
  ["dataimpulse", 403, "SITE_BLOCKED", "forbidden_target"],
  ["dataimpulse", 502, "NO_HOST_CONNECTION", "upstream_failed"],
  ["netnut", 490, "", "no_exit"],
  ["netnut", 502, "", "session_lost"],
  ["netnut", 503, "", "connection_refused"],
  ["netnut", 522, "", "connection_timeout"],
  ["generic", 407, "", "upstream_denied"],
  ["generic", 502, "Bad Gateway", undefined],
];

describe("a provider's refusal is said in our words", () => {
  test.each(rows)("%s %d %j is %s", (kind, status, said, code) => {
    const reason = typeof said === "string" ? said : "";
    const headers = new Map(typeof said === "string" ? [] : Object.entries(said));
    expect(providerAdapters[kind].refusal({ status, reason, headers })).toBe(code);
  });

  test("no provider's words make its account's trouble the client's own", () => {
    for (const adapter of Object.values(providerAdapters)) {
      for (let status = 400; status < 600; status++) {
        const code = adapter.refusal({ status, reason: "", headers: new Map() });
        expect(["wrong_credentials", "authentication_required", "quota_exhausted"]).not.toContain(code);
      }
    }
  });
});
