import type { Challenge } from "./attribution.ts";

/**
 * The password that goes with an attribution: the browser's proxy secret and, after a full stop, the nonce of the
 * challenge that it answers. A steady challenge has no nonce. The secret holds no full stop.
 */
export function formatProof(secret: string, challenge: Challenge): string {
  return challenge.kind === "steady" ? secret : `${secret}.${challenge.nonce}`;
}

/** Splits a password that `formatProof` wrote; whether the secret is right is for the caller to find in constant time. */
export function splitProof(password: string): { secret: string; nonce: string | undefined } {
  const stop = password.indexOf(".");
  if (stop < 0) return { secret: password, nonce: undefined };
  return { secret: password.slice(0, stop), nonce: password.slice(stop + 1) };
}
