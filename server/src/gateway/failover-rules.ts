import type { ProxyErrorCode } from "@atlantic/shared/errors.ts";
import type { Finding } from "./upstreams/upstream-health.ts";

/** What follows when an exit could not bring a flow to its target. */
export interface FailoverRule {
  /**
   * none: the error goes to the client, because any other exit would meet the same, or because nobody waits any more.
   * again: another exit of the same upstream, then other upstreams. other: other upstreams only.
   */
  readonly next: "none" | "again" | "other";
  /** What it says about the upstream. */
  readonly finding: Finding;
}

/** The upstream answered, and its answer is about the target: no other exit would do better. */
const targetsFault: FailoverRule = { next: "none", finding: "well" };
/** Nothing was learnt about the upstream. */
const noFault: FailoverRule = { next: "none", finding: "nothing" };

const rules: Readonly<Partial<Record<ProxyErrorCode, FailoverRule>>> = {
  upstream_unreachable: { next: "other", finding: "ill" },
  // Its account there is spent or wrong: nothing goes through until the operator mends it.
  upstream_denied: { next: "other", finding: "ill" },
  tls_failed: { next: "other", finding: "ill" },
  bad_response: { next: "other", finding: "ill" },
  // Silent: it may be ill, or the target is, and the upstream waits for it longer than we do.
  upstream_timeout: { next: "other", finding: "doubtful" },
  upstream_failed: { next: "again", finding: "doubtful" },
  session_lost: { next: "again", finding: "well" },
  no_exit: { next: "other", finding: "well" },

  connection_refused: targetsFault,
  connection_timeout: targetsFault,
  dns_error: targetsFault,
  unroutable: targetsFault,
  forbidden_address: targetsFault,
  forbidden_port: targetsFault,
  forbidden_target: targetsFault,
};

/** What is in no row is the client's business, or ours: the upstream has nothing to do with it. */
export function failoverRule(code: ProxyErrorCode): FailoverRule {
  return rules[code] ?? noFault;
}
