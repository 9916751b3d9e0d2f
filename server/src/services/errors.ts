/**
 * Why a service refuses. What the caller may not know exists is `not_found`, never `not_allowed`:
 * the two must not be told apart.
 */
export type ServiceErrorCode =
  | "not_signed_in"
  | "not_allowed"
  | "not_found"
  | "invalid"
  | "too_many"
  | "unavailable";

/** A refusal that may be shown: the message says what happened and what to do, and holds no secret. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ServiceErrorCode;

  constructor(code: ServiceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
