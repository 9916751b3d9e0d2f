import type { AdmittedFlow } from "../flow-opener.ts";

/** What a client's connection goes by for as long as its requests are alike. */
export interface Standing {
  readonly admitted: AdmittedFlow;
  /** Whose connections to the target may be used. */
  readonly poolKey: string;
  /** The header that it was admitted by, and the target. */
  readonly authorization: string | undefined;
  readonly authority: string;
  /** The fields that it asked for its exit by. */
  readonly options: string;
  readonly epoch: number;
  checkedAt: number;
}

/** How long an identity is believed on one connection; a revocation in this process ends it at once. */
export const IDENTITY_MS = 2_000;
