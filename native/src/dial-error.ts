import { ProxyError, type ProxyErrorCode } from "@atlantic/shared/errors.ts";

/** What an upstream proxy answered when it refused: for adapters that know their provider's words. */
export interface UpstreamRefusal {
  /** The HTTP status, or the SOCKS5 reply code. */
  readonly status: number;
  /** The reason phrase or the first words of the answer; empty for SOCKS5. */
  readonly reason: string;
  /** Header fields by lower-case name; empty for SOCKS5. */
  readonly headers: ReadonlyMap<string, string>;
}

/** reach: the first hop could not be connected to. ask: it was, and what it was asked for did not come about. */
export type DialStage = "reach" | "ask";

/** A connection that could not be made, as a row of the error table. */
export class DialError extends ProxyError {
  readonly refusal: UpstreamRefusal | undefined;
  stage: DialStage | undefined;
  /** What was written and read in vain on the connection to the proxy. */
  moved = { sentBytes: 0, receivedBytes: 0 };

  constructor(code: ProxyErrorCode, detail?: string, options?: ErrorOptions & { refusal?: UpstreamRefusal }) {
    super(code, detail, options);
    this.name = "DialError";
    this.refusal = options?.refusal;
  }

  /** Says where it happened, unless that is known already. */
  at(stage: DialStage): this {
    this.stage ??= stage;
    return this;
  }
}

const codeOfErrno: Record<string, ProxyErrorCode> = {
  ECONNREFUSED: "connection_refused",
  ECONNRESET: "connection_terminated",
  EPIPE: "connection_terminated",
  ETIMEDOUT: "connection_timeout",
  ENOTFOUND: "dns_error",
  EAI_AGAIN: "dns_error",
  EAI_FAIL: "dns_error",
  EAI_NODATA: "dns_error",
  EAI_NONAME: "dns_error",
  ENODATA: "dns_error",
  ESERVFAIL: "dns_error",
  ENETUNREACH: "unroutable",
  EHOSTUNREACH: "unroutable",
  EINVAL: "unroutable",
};

/** The row of a socket's error, by its errno; a failed TLS handshake is known by its code's prefix. */
export function dialErrorOf(error: unknown): DialError {
  if (error instanceof DialError) return error;
  if (error instanceof ProxyError) return new DialError(error.code, error.detail, { cause: error });
  const errno = errnoOf(error);
  const code = codeOfErrno[errno];
  if (code !== undefined) return new DialError(code, undefined, { cause: error });
  if (/^(ERR_SSL|ERR_TLS|CERT_|DEPTH_|SELF_|UNABLE_TO)/.test(errno)) {
    return new DialError("tls_failed", undefined, { cause: error });
  }
  return new DialError("internal", undefined, { cause: error });
}

function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error instanceof AggregateError && error.errors.length > 0) return errnoOf(error.errors.at(-1));
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
