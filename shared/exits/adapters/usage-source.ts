import type { Evidence } from "./provider-adapter.ts";

/** Where a provider says how many bytes it counted, for the nightly reconciliation. */
export interface UsageSource {
  /** For people: what the figure covers, and how fine it is. */
  readonly covers: string;
  readonly evidence: Evidence;
  /** The page that says so. */
  readonly source: string;
  /** How to ask; `null` where only the page is known and a person has to look. */
  readonly query: UsageQuery | null;
}

export interface UsageQuery {
  /** The field of the entry in `upstreams.json` that holds the key. Without it nothing is asked. */
  readonly keyField: string;
  /** The request for a span of time, milliseconds since 1970. The headers hold the key: a secret. */
  request(key: string, span: UsageSpan): UsageRequest;
  /**
   * The bytes of the span, both directions together.
   * @throws Error (of zod) when the answer has another shape
   */
  read(answer: unknown): bigint;
}

export interface UsageSpan {
  readonly from: number;
  readonly until: number;
}

export interface UsageRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}
